//! The stream of samples. While the orchestrator is away the last of them are kept, by default those of an hour, and told when
//! it is back.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use weir_proto::v1::{MetricsBatch, metrics_client::MetricsClient};

use super::{kept::Kept, sample::Sampler};
use crate::{
    config::{Tuned, Tuning},
    control::{BackOff, Link, Parting},
};

/// Samples in one message.
const BATCH: usize = 120;
/// For one acknowledgement.
const PATIENCE: Duration = Duration::from_secs(30);

/// For ever: looks at the machine at each interval (which may change meanwhile) and reports.
pub async fn report(tuned: Arc<Tuned>, link: Link, mut asked: watch::Receiver<Option<Duration>>) {
    let kept = watch::Sender::new(Kept::default());
    let mut retuned = tuned.changes();
    let look = async {
        let mut sampler = Some(Sampler::new(&tuned.now().metrics));
        let mut last = Instant::now();
        loop {
            let next = last + interval(&tuned.now(), *asked.borrow_and_update());
            tokio::select! {
                () = sleep_until(next) => {}
                Ok(()) = asked.changed() => continue,
                Ok(()) = retuned.changed() => {
                    if let Some(sampler) = &mut sampler {
                        sampler.choose(&tuned.now().metrics);
                    }
                    continue;
                }
            }
            last = Instant::now();
            // off this thread: the kernel may take its time over a disk
            let Some(mut own) = sampler.take() else { return };
            let Ok((own, sample)) = tokio::task::spawn_blocking(move || {
                let sample = own.sample();
                (own, sample)
            })
            .await
            else {
                return tracing::error!("system metrics ended abnormally");
            };
            sampler = Some(own);
            kept.send_modify(|kept| kept.push(sample, tuned.now().metrics.buffer));
        }
    };
    let tell = async {
        let mut back_off = BackOff::default();
        loop {
            let Parting { reason, wait } = tell(&link, &kept, &mut back_off).await;
            let wait = back_off.wait_at_least(wait);
            tracing::debug!("system metrics wait: the orchestrator is away ({reason}); next attempt in {wait:.1?}");
            sleep(wait).await;
        }
    };
    tokio::join!(look, tell);
}

/// What the orchestrator asks for by itself counts where nobody has set the interval.
fn interval(tuning: &Tuning, asked: Option<Duration>) -> Duration {
    asked.filter(|_| !tuning.sets_metrics_interval).unwrap_or(tuning.metrics.interval)
}

/// One stream, one batch in flight; why it ended.
async fn tell(link: &Link, kept: &watch::Sender<Kept>, back_off: &mut BackOff) -> Parting {
    let channel = match link.connect().await {
        Ok(channel) => channel,
        Err(error) => return error.into(),
    };
    let (say, batches) = mpsc::channel(1);
    let mut acks = match MetricsClient::new(channel).report(ReceiverStream::new(batches)).await {
        Ok(response) => response.into_inner(),
        Err(status) => return status.into(),
    };
    let mut waiting = kept.subscribe();
    loop {
        let (samples, up_to) = match waiting.wait_for(|kept| !kept.is_empty()).await {
            Ok(kept) => kept.first(BATCH),
            Err(_) => return "the agent stops".into(),
        };
        if say.send(MetricsBatch { samples }).await.is_err() {
            return "it stopped listening".into();
        }
        match timeout(PATIENCE, acks.message()).await {
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => return "it ended the stream".into(),
            Ok(Err(status)) => return status.into(),
            Err(_) => return "it did not acknowledge".into(),
        }
        back_off.reset();
        kept.send_if_modified(|kept| {
            kept.told(up_to);
            false
        });
    }
}
