//! What becomes of a connection: the stage loop.
