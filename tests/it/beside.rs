//! Work on threads of its own: whose runtime it uses, and what becomes of work whose caller goes away.

use std::{sync::mpsc, time::Duration};

use outbound_tasks::beside::{THREADS, beside};
use tokio::{sync::oneshot, time::sleep};

/// Begins a task with a timer when it is dropped, as a connection does that has to be cancelled.
#[derive(Debug)]
struct EndsLater(Option<oneshot::Sender<()>>);

impl Drop for EndsLater {
    fn drop(&mut self) {
        let ended = self.0.take().unwrap();
        tokio::spawn(async move {
            sleep(Duration::from_millis(1)).await;
            let _ = ended.send(());
        });
    }
}

#[tokio::test]
async fn the_result_for_a_caller_that_has_gone_is_dropped_in_the_callers_runtime() {
    let ((begun, is_begun), (go_on, goes_on)) = (oneshot::channel(), mpsc::channel::<()>());
    let (ended, is_ended) = oneshot::channel();
    let call = tokio::spawn(beside(move || {
        begun.send(()).unwrap();
        goes_on.recv().unwrap();
        EndsLater(Some(ended))
    }));
    is_begun.await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    go_on.send(()).unwrap();
    is_ended.await.unwrap();
}

#[tokio::test]
async fn work_of_a_caller_that_has_gone_is_not_begun() {
    let mut busy = Vec::new();
    for _ in 0..THREADS {
        let ((begun, is_begun), (go_on, goes_on)) = (oneshot::channel(), mpsc::channel::<()>());
        let call = tokio::spawn(beside(move || {
            begun.send(()).unwrap();
            goes_on.recv().unwrap();
        }));
        is_begun.await.unwrap();
        busy.push((call, go_on));
    }
    let waiting = tokio::spawn(beside(|| panic!("nobody waits for it")));
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    for (call, go_on) in busy {
        go_on.send(()).unwrap();
        call.await.unwrap();
    }
    assert_eq!(beside(|| 1).await, 1);
}

#[tokio::test]
#[should_panic(expected = "the work did not panic")]
async fn a_panic_goes_on_in_the_caller() {
    beside(|| panic!("on purpose")).await
}
