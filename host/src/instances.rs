//! The live instances of one worker, by generation of filter: who gets which, and when one is replaced.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
};

use crate::{Filter, Host, LoadError, LoadFault, instance::Instance};

/// An instance as the worker shares it among exchanges.
pub(crate) type Shared = Rc<RefCell<Instance>>;

/// An exchange's place in an instance.
pub(crate) struct Seat {
    pub(crate) instance: Shared,
    pub(crate) number: u32,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.instance.borrow_mut().release(self.number);
    }
}

/// The live instances of one worker thread: never shared with another.
pub struct Instances {
    /// Keeps the engine's ticker alive for as long as guests may run here.
    _host: Host,
    sets: RefCell<Vec<Set>>,
    /// Generations that new exchanges meet; none before the first [`Self::retire`].
    current: RefCell<Option<Vec<u64>>>,
}

/// Instances of one generation.
struct Set {
    generation: u64,
    /// Kept although no exchange may be in flight on them.
    kept: Vec<Shared>,
    /// Of a retired generation: kept by their exchanges alone.
    lent: Vec<Weak<RefCell<Instance>>>,
    retired: bool,
}

/// A configured instance that no worker has yet.
pub struct Warm {
    generation: u64,
    instance: Instance,
}

impl Warm {
    pub(crate) fn start(filter: &Arc<Filter>) -> Result<Self, LoadError> {
        let instance = Instance::start(filter).map_err(|fault| filter.load_error(fault))?;
        Ok(Self { generation: filter.generation(), instance })
    }
}

impl Instances {
    /// None live yet.
    pub fn new(host: &Host) -> Rc<Self> {
        Rc::new(Self { _host: host.clone(), sets: RefCell::default(), current: RefCell::default() })
    }

    /// Makes the instance that the first exchange would otherwise wait for, and counts the filter as current.
    ///
    /// # Errors
    /// It does not start.
    pub fn prewarm(&self, filter: &Arc<Filter>) -> Result<(), LoadError> {
        if let Some(current) = &mut *self.current.borrow_mut() {
            current.push(filter.generation());
        }
        if !filter.keeps_instances() {
            return Ok(());
        }
        let warm = self.with_set(filter.generation(), |set| {
            set.revive();
            set.find()
        });
        if warm.is_none() {
            self.adopt(Warm::start(filter)?);
        }
        Ok(())
    }

    /// Keeps an instance that was made elsewhere. With [`Self::prewarm`] after it, no exchange waits for a start.
    pub fn adopt(&self, warm: Warm) {
        let Warm { generation, instance } = warm;
        self.with_set(generation, |set| set.keep(Rc::new(RefCell::new(instance))));
    }

    /// Lets instances go whose filter is not in `keep`; those with exchanges in flight go with the last of them.
    pub fn retire(&self, keep: &[Arc<Filter>]) {
        let mut current: Vec<u64> = keep.iter().map(|filter| filter.generation()).collect();
        current.extend(keep.iter().filter_map(|filter| filter.fallback()).map(|filter| filter.generation()));
        let mut sets = self.sets.borrow_mut();
        for set in sets.iter_mut().filter(|set| !current.contains(&set.generation)) {
            set.retire();
        }
        sets.retain(|set| !set.is_gone());
        drop(sets);
        *self.current.borrow_mut() = Some(current);
    }

    /// A place for an exchange in an instance of this filter.
    pub(crate) fn seat(&self, filter: &Arc<Filter>) -> Result<Seat, LoadFault> {
        if !filter.keeps_instances() {
            return admit(Rc::new(RefCell::new(Instance::start_another(filter)?)));
        }
        let (found, is_first) = self.with_set(filter.generation(), |set| (set.find(), set.is_empty()));
        if let Some(instance) = found {
            return admit(instance);
        }
        let started = if is_first { Instance::start(filter) } else { Instance::start_another(filter) };
        match started {
            Ok(instance) => {
                let instance = Rc::new(RefCell::new(instance));
                self.with_set(filter.generation(), |set| set.keep(Rc::clone(&instance)));
                admit(instance)
            }
            // a worn one is better than none
            Err(fault) => self.with_set(filter.generation(), Set::worn).map_or(Err(fault), admit),
        }
    }

    /// Is there an instance of it in which another exchange could begin?
    pub(crate) fn has_room(&self, filter: &Filter) -> bool {
        self.with_set(filter.generation(), |set| set.find().is_some())
    }

    /// Those that are kept although no exchange may be in flight on them.
    pub(crate) fn kept(&self) -> Vec<Shared> {
        self.sets.borrow().iter().flat_map(|set| &set.kept).map(Rc::clone).collect()
    }

    fn with_set<R>(&self, generation: u64, then: impl FnOnce(&mut Set) -> R) -> R {
        let mut sets = self.sets.borrow_mut();
        let at = sets.iter().position(|set| set.generation == generation).unwrap_or_else(|| {
            sets.retain(|set| !set.is_gone());
            let retired = self.current.borrow().as_ref().is_some_and(|current| !current.contains(&generation));
            sets.push(Set { generation, kept: Vec::new(), lent: Vec::new(), retired });
            sets.len() - 1
        });
        then(&mut sets[at])
    }
}

fn admit(instance: Shared) -> Result<Seat, LoadFault> {
    let number = instance.borrow_mut().admit();
    let number = number.ok_or_else(|| LoadFault::Instantiate("all exchange numbers are in use".to_owned()))?;
    Ok(Seat { instance, number })
}

impl Set {
    /// An instance with room.
    fn find(&mut self) -> Option<Shared> {
        if self.retired {
            return self.lent.iter().filter_map(Weak::upgrade).find(|instance| instance.borrow().has_room());
        }
        // The newest last, so that the older ones empty and can go.
        let is_good = |instance: &&Shared| instance.borrow().has_room() && !instance.borrow().is_worn();
        self.kept.iter().find(is_good).map(Rc::clone)
    }

    /// One that should be replaced and still works.
    fn worn(&mut self) -> Option<Shared> {
        self.kept.iter().find(|instance| instance.borrow().has_room()).map(Rc::clone)
    }

    fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.lent.iter().all(|instance| instance.strong_count() == 0)
    }

    fn keep(&mut self, instance: Shared) {
        if self.retired {
            self.lent.retain(|instance| instance.strong_count() > 0);
            self.lent.push(Rc::downgrade(&instance));
            return;
        }
        // One that has no exchange any more was made for a peak that is over; a worn one goes with its last exchange.
        self.kept.retain(|instance| instance.borrow().numbers.live() > 0 && !instance.borrow().is_worn());
        self.kept.push(instance);
    }

    fn retire(&mut self) {
        self.retired = true;
        self.lent.extend(self.kept.drain(..).map(|instance| Rc::downgrade(&instance)));
    }

    fn revive(&mut self) {
        self.retired = false;
        self.kept.extend(self.lent.drain(..).filter_map(|instance| instance.upgrade()));
    }

    fn is_gone(&self) -> bool {
        self.retired && self.lent.iter().all(|instance| instance.strong_count() == 0)
    }
}
