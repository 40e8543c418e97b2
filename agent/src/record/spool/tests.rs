use proptest::{collection::vec, prelude::*};

use super::*;

fn frame(tag: u8, length: usize) -> Frame {
    Frame { payload: vec![tag; length].into(), exchanges: u32::from(tag) }
}

fn open(dir: &tempfile::TempDir, bound: u64) -> Spool {
    Spool::open(dir.path().join("spool"), bound).unwrap()
}

fn rest(spool: &mut Spool) -> Vec<(Position, Frame)> {
    std::iter::from_fn(|| spool.next().unwrap()).collect()
}

fn tags(frames: &[(Position, Frame)]) -> Vec<u32> {
    frames.iter().map(|(_, frame)| frame.exchanges).collect()
}

fn files(dir: &tempfile::TempDir) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(dir.path().join("spool")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn frames_come_back_in_order_and_go_when_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir, 1 << 20);
    for tag in 1..=40 {
        spool.append(&frame(tag, 10_000)).unwrap();
    }
    assert!(files(&dir).len() > 5, "several segments");
    let frames = rest(&mut spool);
    assert_eq!(tags(&frames), (1..=40).collect::<Vec<_>>());
    assert!(frames.iter().all(|(_, got)| *got == frame(got.payload[0], 10_000)));
    assert!(!spool.has_unread() && spool.bytes() > 400_000);
    for (position, _) in &frames {
        spool.acknowledge(*position).unwrap();
    }
    assert_eq!((spool.bytes(), files(&dir).len(), spool.take_lost().exchanges), (0, 0, 0));
    spool.append(&frame(41, 10)).unwrap();
    assert_eq!(tags(&rest(&mut spool)), [41]);
}

#[test]
fn frames_that_are_given_back_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir, 1 << 20);
    for tag in 1..=40 {
        spool.append(&frame(tag, 10_000)).unwrap();
    }
    let frames = rest(&mut spool);
    for (position, _) in &frames[..5] {
        spool.acknowledge(*position).unwrap();
    }
    for (position, frame) in frames[5..].iter().rev() {
        spool.give_back(*position, frame);
    }
    assert_eq!(tags(&rest(&mut spool)), (6..=40).collect::<Vec<_>>());
    assert_eq!(spool.take_lost().exchanges, 0);
}

#[test]
fn what_is_not_acknowledged_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir, 1 << 20);
    for tag in 1..=20 {
        spool.append(&frame(tag, 20_000)).unwrap();
    }
    let frames = rest(&mut spool);
    spool.acknowledge(frames[9].0).unwrap();
    drop(spool);
    let left = tags(&rest(&mut open(&dir, 1 << 20)));
    // a segment goes as a whole: some may come twice, none is lost
    assert_eq!(left.last(), Some(&20));
    assert!(left[0] <= 11 && left.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{left:?}");
}

#[test]
fn the_bound_holds_and_the_oldest_go_first() {
    let dir = tempfile::tempdir().unwrap();
    let bound = 100_000;
    let mut spool = open(&dir, bound);
    let mut lost = 0;
    for tag in 1..=200 {
        spool.append(&frame(tag, 3000)).unwrap();
        assert!(spool.bytes() <= bound);
        let on_disk: u64 = files(&dir).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert_eq!(on_disk, spool.bytes());
        lost += spool.take_lost().exchanges;
    }
    let left = tags(&rest(&mut spool));
    assert!(left.len() > 20 && left.last() == Some(&200), "{left:?}");
    assert!(left.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    assert_eq!(lost + left.iter().map(|tag| u64::from(*tag)).sum::<u64>(), (1..=200).sum::<u64>());
    spool.append(&frame(9, 200_000)).unwrap();
    assert_eq!(spool.take_lost().exchanges, 9, "what is larger than the bound is lost at once");
}

#[test]
fn no_spool_at_all_loses_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir, 0);
    spool.append(&frame(3, 1)).unwrap();
    spool.prepend(&[frame(4, 1)]).unwrap();
    assert_eq!((spool.take_lost().exchanges, spool.bytes(), files(&dir).len()), (7, 0, 0));
}

#[test]
fn older_frames_go_before_newer_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir, 1 << 20);
    spool.append(&frame(3, 10)).unwrap();
    spool.prepend(&[frame(1, 10), frame(2, 10)]).unwrap();
    spool.append(&frame(4, 10)).unwrap();
    drop(spool);
    assert_eq!(tags(&rest(&mut open(&dir, 1 << 20))), [1, 2, 3, 4]);
}

#[test]
fn a_torn_tail_is_cut_off_wherever_it_tears() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir, 1 << 20);
    for tag in 1..=3 {
        spool.append(&frame(tag, 30)).unwrap();
    }
    drop(spool);
    let path = files(&dir).remove(0);
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut spool = open(&dir, 1 << 20);
        let left = tags(&rest(&mut spool));
        assert_eq!(left, (1..=(cut / 42) as u32).collect::<Vec<_>>(), "cut at {cut}");
        // and writing goes on behind what is whole
        spool.append(&frame(9, 30)).unwrap();
        drop(spool);
        assert_eq!(tags(&rest(&mut open(&dir, 1 << 20))).last(), Some(&9), "cut at {cut}");
        for file in files(&dir) {
            fs::remove_file(file).unwrap();
        }
    }
}

/// In a process of its own, whose files may not grow beyond 16 KiB: writing fails in the middle, as on a full disk.
#[test]
fn a_failed_write_leaves_nothing_in_the_way() {
    const HERE: &str = "record::spool::tests::a_failed_write_leaves_nothing_in_the_way";
    if std::env::var_os("WEIR_SMALL_FILES").is_none() {
        let small = "trap '' XFSZ; ulimit -f 16; exec \"$0\" --exact \"$1\"";
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", small]).arg(std::env::current_exe().unwrap()).arg(HERE).env("WEIR_SMALL_FILES", "1");
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir, 1 << 20);
    for _ in 0..3 {
        spool.append(&frame(9, 20_000)).unwrap_err();
    }
    assert_eq!((files(&dir).len(), spool.bytes()), (0, 0), "no empty segment stays");
    spool.append(&frame(3, 100)).unwrap();
    for _ in 0..3 {
        spool.append(&frame(9, 20_000)).unwrap_err();
        spool.prepend(&[frame(1, 100), frame(9, 20_000)]).unwrap_err();
    }
    assert_eq!((files(&dir).len(), spool.bytes()), (1, 112));
    spool.prepend(&[frame(1, 100), frame(2, 100)]).unwrap();
    spool.append(&frame(4, 100)).unwrap();
    assert_eq!(tags(&rest(&mut spool)), [1, 2, 3, 4]);
    drop(spool);
    assert_eq!(tags(&rest(&mut open(&dir, 1 << 20))), [1, 2, 3, 4]);
}

#[test]
fn damage_while_running_costs_one_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir, 200_000);
    for tag in 1..=10 {
        spool.append(&frame(tag, 9000)).unwrap();
    }
    let first = files(&dir).remove(0);
    let mut bytes = fs::read(&first).unwrap();
    bytes[500] ^= 1;
    fs::write(&first, &bytes).unwrap();
    assert!(spool.next().is_err());
    let lost = spool.take_lost().exchanges;
    let left = tags(&rest(&mut spool));
    assert_eq!(lost + left.iter().map(|tag| u64::from(*tag)).sum::<u64>(), 55);
    assert_eq!(left.last(), Some(&10));
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8, usize),
    Next,
    Acknowledge,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..=255_u8, 0..6000_usize).prop_map(|(tag, length)| Step::Append(tag, length)),
        4 => Just(Step::Next),
        2 => Just(Step::Acknowledge),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever happens: order is kept, the bound holds, and every exchange is given out or counted as lost.
    #[test]
    fn nothing_vanishes(steps in vec(step(), 1..120)) {
        let dir = tempfile::tempdir().unwrap();
        let bound = 64 << 10;
        let mut spool = open(&dir, bound);
        let (mut serial, mut lost, mut highest) = (0_u32, 0_u64, 0_u32);
        let (mut appended, mut given) = (0_u64, std::collections::BTreeSet::new());
        let mut pending = VecDeque::new();
        for step in steps {
            match step {
                Step::Append(tag, length) => {
                    serial += 1;
                    let mut payload = serial.to_le_bytes().to_vec();
                    payload.resize(4 + length, tag);
                    spool.append(&Frame { payload: payload.into(), exchanges: 1 }).unwrap();
                    appended += 1;
                }
                Step::Next => if let Some((position, frame)) = spool.next().unwrap() {
                    let number = u32::from_le_bytes(frame.payload[..4].try_into().unwrap());
                    prop_assert!(number > highest, "{number} after {highest}");
                    highest = number;
                    given.insert(number);
                    pending.push_back(position);
                },
                Step::Acknowledge => if let Some(position) = pending.pop_front() {
                    spool.acknowledge(position).unwrap();
                },
                Step::Restart => {
                    lost += spool.take_lost().exchanges;
                    spool = open(&dir, bound);
                    pending.clear();
                    highest = 0;
                }
            }
            prop_assert!(spool.bytes() <= bound);
        }
        lost += spool.take_lost().exchanges;
        given.extend(rest(&mut spool).iter().map(|(_, frame)| u32::from_le_bytes(frame.payload[..4].try_into().unwrap())));
        // a frame given out before a restart and dropped after it counts twice, never less than once
        prop_assert!(given.len() as u64 + lost >= appended, "{} given, {lost} lost, {appended} appended", given.len());
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir, 1 << 20).append(&frame(1, 10)).unwrap();
    let folder = dir.path().join("spool");
    let names = ["7.seg", "+00000000000000000008.seg", "18446744073709551615.seg", "notes.seg", "x"];
    for name in names {
        fs::write(folder.join(name), b"not ours").unwrap();
    }
    let mut spool = open(&dir, 1 << 20);
    assert_eq!(tags(&rest(&mut spool)), [1]);
    spool.append(&frame(2, 10)).unwrap();
    assert_eq!(tags(&rest(&mut spool)), [2]);
    assert!(names.iter().all(|name| fs::read(folder.join(name)).unwrap() == b"not ours"));
}
