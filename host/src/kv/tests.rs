use super::*;

const ROOM: Bounds = Bounds { entries: 100, bytes: 10_000 };

fn value(store: &Namespace, key: &str) -> Option<String> {
    store.get(key).map(|(value, _)| String::from_utf8(value).unwrap())
}

#[test]
fn a_swap_happens_only_where_nobody_was_faster() {
    let store = Namespace::new(false);
    assert_eq!(store.compare_and_set("a".into(), None, b"1".to_vec(), None, ROOM), Ok(true));
    assert_eq!(store.compare_and_set("a".into(), None, b"2".to_vec(), None, ROOM), Ok(false));
    let (_, version) = store.get("a").unwrap();
    assert_eq!(store.compare_and_set("a".into(), Some(version), b"2".to_vec(), None, ROOM), Ok(true));
    assert_eq!(store.compare_and_set("a".into(), Some(version), b"3".to_vec(), None, ROOM), Ok(false));
    assert_eq!(value(&store, "a").unwrap(), "2");
    assert!(store.delete("a") && !store.delete("a"));
    store.set("a".into(), b"1".to_vec(), Some(0.0), ROOM).unwrap();
    assert_eq!(store.get("a"), None, "its time was over at once");
}

#[test]
fn sums_lose_nothing_when_many_add() {
    let store = Namespace::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| assert!(store.add("n".into(), 1.0, None, ROOM).is_ok())));
        }
    });
    assert_eq!(value(&store, "n").unwrap(), "4000");
    store.set("n".into(), b"x".to_vec(), None, ROOM).unwrap();
    assert_eq!(store.add("n".into(), 1.0, None, ROOM), Err(Refusal::NotANumber));
    assert_eq!(store.add("m".into(), f64::NAN, None, ROOM), Err(Refusal::NotANumber));
}

#[test]
fn bounds_hold_and_what_is_over_makes_room() {
    let store = Namespace::new(false);
    let small = Bounds { entries: 2, bytes: 10_000 };
    store.set("a".into(), b"1".to_vec(), None, small).unwrap();
    store.set("b".into(), b"1".to_vec(), Some(1.0), small).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while store.get("b").is_some() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    store.set("c".into(), b"1".to_vec(), None, small).unwrap();
    assert_eq!(store.set("d".into(), b"1".to_vec(), None, small), Err(Refusal::Full));
    store.set("a".into(), b"2".to_vec(), None, small).unwrap();
    assert!(store.delete("c"));
    store.set("d".into(), b"1".to_vec(), None, small).unwrap();
    assert_eq!(store.set("a".into(), vec![0; 9_999], None, small), Err(Refusal::Full));
    for (key, value) in [("", 0), (&*"k".repeat(513), 0), ("k", VALUE_BYTES + 1)] {
        assert_eq!(store.set(key.into(), vec![0; value], None, ROOM), Err(Refusal::TooLarge));
    }
}

#[test]
fn what_was_kept_is_there_after_a_restart_and_what_was_deleted_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let name: Name = "a".parse().unwrap();
    let kv = Kv::open(folder.path()).unwrap();
    let store = kv.of(&name);
    store.set("stays".into(), b"1".to_vec(), None, ROOM).unwrap();
    store.set("goes".into(), b"1".to_vec(), None, ROOM).unwrap();
    store.set("fades".into(), b"1".to_vec(), Some(1.0), ROOM).unwrap();
    let (_, version) = store.get("stays").unwrap();
    assert!(store.delete("goes"));
    assert!(Kv::open(folder.path()).is_err(), "it is in use");
    drop(kv);
    let kv = Kv::open(folder.path()).unwrap();
    let store = kv.of(&name);
    let (value, later) = store.get("stays").unwrap();
    assert!(value == b"1" && later > version);
    assert_eq!((store.get("goes"), store.get("fades")), (None, None));
    assert!(kv.of(&"b".parse().unwrap()).get("stays").is_none());
    assert_eq!(store.set("new".into(), b"1".to_vec(), None, Bounds { entries: 1, bytes: 100 }), Err(Refusal::Full));
}
