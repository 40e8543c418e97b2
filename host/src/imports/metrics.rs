//! `metrics`: series that a guest defines and counts in. Numbers of series are the instance's own.

use wasmtime::{StoreContextMut, component::Linker};

use crate::{
    bindings::weir::filter::metrics::MetricError,
    metrics::{Definition, MetricKind, Refusal, Series},
    state::State,
};

type Labels = Vec<(String, String)>;

/// Numbers that one instance holds: more than a filter has series, so that defining one twice is no fault.
const NUMBERS: usize = 1024;

/// The guest broke the contract: the number is of no series, or of one of another kind.
#[derive(Debug, thiserror::Error)]
#[error("metric number {number} is no {kind}")]
pub(crate) struct WrongMetric {
    number: u32,
    kind: &'static str,
}

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut metrics = linker.instance(&super::interface("metrics"))?;
    type Plain = (String, String, Labels);
    metrics.func_wrap("counter", |mut store: StoreContextMut<'_, State>, (name, help, labels): Plain| {
        let asked = Definition { kind: MetricKind::Counter, name, help, labels, bounds: Vec::new() };
        Ok((define(store.data_mut(), asked),))
    })?;
    metrics.func_wrap("gauge", |mut store: StoreContextMut<'_, State>, (name, help, labels): Plain| {
        let asked = Definition { kind: MetricKind::Gauge, name, help, labels, bounds: Vec::new() };
        Ok((define(store.data_mut(), asked),))
    })?;
    type Bounded = (String, String, Labels, Vec<f64>);
    metrics.func_wrap(
        "histogram",
        |mut store: StoreContextMut<'_, State>, (name, help, labels, bounds): Bounded| {
            let asked = Definition { kind: MetricKind::Histogram, name, help, labels, bounds };
            Ok((define(store.data_mut(), asked),))
        },
    )?;
    metrics.func_wrap("add", |store: StoreContextMut<'_, State>, (metric, by): (u32, f64)| {
        let kinds = [MetricKind::Counter, MetricKind::Gauge];
        series(store.data(), metric, &kinds, "counter or gauge")?.add(by);
        Ok(())
    })?;
    metrics.func_wrap("set", |store: StoreContextMut<'_, State>, (metric, value): (u32, f64)| {
        series(store.data(), metric, &[MetricKind::Gauge], "gauge")?.set(value);
        Ok(())
    })?;
    metrics.func_wrap("observe", |store: StoreContextMut<'_, State>, (metric, value): (u32, f64)| {
        series(store.data(), metric, &[MetricKind::Histogram], "histogram")?.observe(value);
        Ok(())
    })
}

fn define(state: &mut State, asked: Definition) -> Result<u32, MetricError> {
    let made = state.filter.host().metrics().define(state.filter.metrics(), asked).map_err(MetricError::from)?;
    let known = state.series.iter().position(|series| std::sync::Arc::ptr_eq(series, &made));
    if known.is_none() && state.series.len() >= NUMBERS {
        return Err(MetricError::TooMany);
    }
    let at = known.unwrap_or_else(|| {
        state.series.push(made);
        state.series.len() - 1
    });
    u32::try_from(at).map_err(|_| MetricError::TooMany)
}

fn series<'a>(
    state: &'a State,
    number: u32,
    kinds: &[MetricKind],
    kind: &'static str,
) -> Result<&'a Series, WrongMetric> {
    let found = state.series.get(number as usize).filter(|series| kinds.contains(&series.kind));
    found.map(|series| &**series).ok_or(WrongMetric { number, kind })
}

impl From<Refusal> for MetricError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidName => Self::InvalidName,
            Refusal::Conflict => Self::Conflict,
            Refusal::TooMany => Self::TooMany,
        }
    }
}
