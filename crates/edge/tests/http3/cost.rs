//! What replies cost: the processor's time of the one worker, by the kernel's account of its
//! thread, while viewers in this process load the other one.

use std::time::{Duration, Instant};

use crate::exchanges::origin_of;
use crate::world::distribution;
use crate::{Stage, ask, receive, run};

/// Time that the worker's thread has run.
fn worker_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let worker = tasks.flatten().find(|task| {
        let name = std::fs::read_to_string(task.path().join("comm"));
        name.is_ok_and(|name| name.trim() == "edge-0")
    });
    let stat = std::fs::read_to_string(worker.unwrap().path().join("schedstat")).unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

fn measure(length: usize, connections: usize, at_once: usize, rounds: usize) {
    let origin = origin_of(length);
    let stage = Stage::with(&distribution(origin.address), |settings| {
        settings.workers = 1
    });
    run(async {
        let mut viewers = Vec::new();
        for _ in 0..connections {
            let mut viewer = stage.viewer().await;
            assert_eq!(viewer.get("/").await.body.len(), length);
            viewers.push(viewer);
        }
        let (before, started) = (worker_time(), Instant::now());
        for _ in 0..rounds {
            let mut running = Vec::new();
            for viewer in &mut viewers {
                for _ in 0..at_once {
                    let stream = viewer.send(ask("GET", "/")).await;
                    running.push(tokio::task::spawn_local(receive(stream)));
                }
            }
            for got in running {
                assert_eq!(got.await.unwrap().body.len(), length);
            }
        }
        let count = (connections * at_once * rounds) as u32;
        let each = (worker_time() - before) / count;
        let rate = f64::from(count) / started.elapsed().as_secs_f64();
        println!("{length} bytes, {connections} x {at_once}: {each:?} each, {rate:.0}/s");
    });
}

#[test]
#[ignore = "it measures and judges nothing"]
fn a_small_reply() {
    measure(1024, 1, 1, 5_000);
    measure(1024, 10, 20, 200);
}

#[test]
#[ignore = "it measures and judges nothing"]
fn a_large_reply() {
    measure(10 << 20, 1, 1, 60);
    measure(10 << 20, 4, 1, 15);
}
