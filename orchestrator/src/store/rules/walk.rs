//! Rules that drop are walked through exchanges in the order in which they came, each exchange asked once.

use std::collections::HashSet;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    super::{Store, StoreError, signed, sql::Sql},
    PAUSE, Rules, TOGETHER, Unread,
};

/// Exchanges that are looked at in one step.
const BLOCK: i64 = 1000;

impl Store {
    /// One pass of the rules that drop, as far as it comes until then; how many exchanges went.
    pub(in super::super) async fn drop_by_rules(&self, now_us: u64, until: Instant) -> Result<u64, StoreError> {
        let rules = self.rules().await?;
        let mut gone = 0;
        for rule in &rules.drops {
            let cutoff_us = now_us.saturating_sub(u64::try_from(rule.after.as_micros()).unwrap_or(u64::MAX));
            let mut at = rule.walked;
            while let Some(to) = self.old_enough(at, cutoff_us).await? {
                let fits = self.fits(std::slice::from_ref(&rule.query), (at, to), Unread::DoesNotFit).await?;
                gone += self.drop_unless_kept(&fits, &rules, (at, to)).await?;
                let note = "UPDATE retention_rules SET walked = $1 WHERE place = $2 AND query = $3 AND walked = $4";
                let note = Sql::new(note).bind(to).bind(rule.place).bind(&rule.text).bind(at);
                let noted = note.execute(&self.writes).await?;
                if noted == 0 {
                    // The rules are others now, or another orchestrator is at it.
                    break;
                }
                at = to;
                if Instant::now() >= until {
                    return Ok(gone);
                }
                sleep(PAUSE).await;
            }
        }
        Ok(gone)
    }

    /// The end of the next block of exchanges that have been here since before the cutoff.
    async fn old_enough(&self, after: i64, cutoff_us: u64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT max(number), min(CASE WHEN received_us >= $3 THEN number END) FROM \
                   (SELECT number, received_us FROM exchanges WHERE number > $1 ORDER BY number LIMIT $2) AS block";
        let row = Sql::new(sql).bind(after).bind(BLOCK).bind(signed(cutoff_us)).fetch_one(&self.reads).await?;
        let (last, young) = (row.get::<Option<i64>>(0)?, row.get::<Option<i64>>(1)?);
        Ok(match (last, young) {
            (Some(last), None) => Some(last),
            (_, Some(young)) if young - 1 > after => Some(young - 1),
            _ => None,
        })
    }

    pub(in super::super) async fn drop_unless_kept(
        &self,
        fits: &HashSet<Uuid>,
        rules: &Rules,
        (after, to): (i64, i64),
    ) -> Result<u64, StoreError> {
        let (false, Some(first)) = (fits.is_empty(), rules.first) else { return Ok(0) };
        let keeps = self.fits(&rules.keeps, (after, to), Unread::Fits).await?;
        let (kept, drop): (Vec<Uuid>, Vec<Uuid>) = fits.iter().partition(|id| keeps.contains(*id));
        self.note_kept(&kept, rules).await?;
        let mut gone = 0;
        for some in drop.chunks(TOGETHER) {
            gone += self.delete_by_rules(some, first).await?;
            sleep(PAUSE).await;
        }
        Ok(gone)
    }
}
