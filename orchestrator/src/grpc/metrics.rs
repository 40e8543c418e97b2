//! System metrics come in by the batch and are answered when they are stored.

use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::v1::{MetricsAck, MetricsBatch, SystemMetrics, metrics_server::Metrics};

use crate::clock::now_us;

use super::{Answers, Service, bounded, places::Kind, unavailable};

/// Of one batch, and of the parts of one sample.
const MOST: usize = 1000;
/// Of the interfaces of one sample, and of its disks, with what stands beside each name: hundreds of them.
const MOST_BYTES: usize = 32 << 10;
const BESIDE: usize = 24;
const LAST_US: u64 = 253_402_300_799_000_000;

#[tonic::async_trait]
impl Metrics for Service {
    type ReportStream = Answers<MetricsAck>;

    async fn report(&self, request: Request<Streaming<MetricsBatch>>) -> Result<Response<Self::ReportStream>, Status> {
        let (agent, ends_us) = self.certified(&request).await?;
        self.understands(&agent, &request)?;
        let place = self.place(&agent, Kind::Metrics)?;
        let service = self.clone();
        let (number, id) = (agent.number, agent.id);
        let acks = request.into_inner().then(move |batch| {
            let service = service.clone();
            let _ = &place;
            async move {
                let samples: Vec<_> = batch?.samples.into_iter().map(checked).collect::<Result<_, _>>()?;
                if samples.len() > MOST {
                    return Err(Status::invalid_argument(format!("more than {MOST} samples in a batch")));
                }
                service.paces.samples(id, samples.len()).await;
                let stored = service.orchestrator.store.add_metrics(number, &samples, now_us()).await;
                stored.map_err(|error| unavailable(&error))?;
                service.orchestrator.events.looked(id);
                Ok(MetricsAck { stored: samples.len() as u64 })
            }
        });
        let service = self.clone();
        // Who comes again is told why.
        let over = async move {
            tokio::select! {
                _ = service.over(&agent, ends_us) => {}
                () = service.stop.cancelled() => {}
            }
        };
        Ok(Response::new(Box::pin(futures_util::StreamExt::take_until(acks, over))))
    }
}

/// Within what can be kept and shown: JSON knows neither NaN nor infinity.
fn checked(mut sample: SystemMetrics) -> Result<SystemMetrics, Status> {
    if sample.at_us > LAST_US || sample.networks.len() > MOST || sample.disks.len() > MOST {
        return Err(Status::invalid_argument("a sample is beyond its bounds"));
    }
    let finite = |number: f64| if number.is_finite() { number } else { 0.0 };
    sample.cpu_percent = finite(sample.cpu_percent);
    sample.load_1m = finite(sample.load_1m);
    if let Some(process) = &mut sample.process {
        process.cpu_percent = finite(process.cpu_percent);
    }
    sample.networks.iter_mut().for_each(|network| network.name = bounded(&network.name, 255));
    sample.disks.iter_mut().for_each(|disk| disk.mount = bounded(&disk.mount, 255));
    let fitting = within(sample.networks.iter().map(|network| &network.name));
    sample.networks.truncate(fitting);
    let fitting = within(sample.disks.iter().map(|disk| &disk.mount));
    sample.disks.truncate(fitting);
    Ok(sample)
}

/// How many of them are kept: many samples are read at a time.
fn within<'a>(names: impl Iterator<Item = &'a String>) -> usize {
    let mut bytes = 0;
    let fits = |name: &&String| {
        bytes += BESIDE + name.len();
        bytes <= MOST_BYTES
    };
    names.take_while(fits).count()
}
