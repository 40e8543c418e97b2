//! The command line. Client commands speak REST only.
