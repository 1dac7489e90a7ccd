//! How many threads a read or a write may use, and the work on them.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// What [`set_threads`] was given; 0: as many as there are processors.
static BUDGET: AtomicUsize = AtomicUsize::new(0);
/// Found out once: the standard library reads files of the control group for it, each time.
static PROCESSORS: OnceLock<usize> = OnceLock::new();

/// Bytes below which a second thread costs more than it brings: starting one takes what copying this much does.
const WORTH_A_THREAD: usize = 1 << 20;

/// Has each later call use at most `threads` threads; 0 is as many as this process had processors at its first call, which
/// is the default.
///
/// ```
/// maou_io::set_threads(1);
/// assert_eq!(maou_io::threads(), 1);
/// maou_io::set_threads(0);
/// assert!(maou_io::threads() >= 1);
/// ```
pub fn set_threads(threads: usize) {
    BUDGET.store(threads, Ordering::Relaxed);
}

/// The threads that a call may use now.
pub fn threads() -> usize {
    match BUDGET.load(Ordering::Relaxed) {
        0 => *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get)),
        threads => threads,
    }
}

/// Runs a test with so many threads; one such test at a time.
#[cfg(test)]
pub(crate) fn with_threads(threads: usize, test: impl FnOnce()) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = locked(&ONE);
    set_threads(threads);
    test();
    set_threads(0);
}

/// Threads that are worth their start for `bytes` to be read or written in `tasks` parts.
pub(crate) fn worth(bytes: usize, tasks: usize) -> usize {
    threads().min(tasks).min(bytes / WORTH_A_THREAD).max(1)
}

/// Does `work` with each of `tasks`, on `threads` threads, in order of their beginning. The first error ends it.
///
/// `tools` makes what a thread needs and may use again for each task.
pub(crate) fn for_each<T, S, E>(
    tasks: Vec<T>,
    threads: usize,
    tools: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<(), E> + Sync,
) -> Result<(), E>
where
    T: Send,
    E: Send,
{
    if threads <= 1 || tasks.len() <= 1 {
        let mut own = tools();
        return tasks.into_iter().try_for_each(|task| work(&mut own, task));
    }
    let queue = Mutex::new(Queue { tasks: tasks.into_iter(), error: None });
    let drain = || {
        let mut own = tools();
        while let Some(task) = next(&queue) {
            if let Err(error) = work(&mut own, task) {
                fail(&queue, error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be made, those that there are do it all.
            if thread::Builder::new().spawn_scoped(scope, drain).is_err() {
                break;
            }
        }
        drain();
    });
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    queue.error.map_or(Ok(()), Err)
}

/// What `work` makes of each of `tasks`, in their order, on `threads` threads, or as many as can be made. The first error
/// ends it.
pub fn map<T, R, E>(tasks: Vec<T>, threads: usize, work: impl Fn(T) -> Result<R, E> + Sync) -> Result<Vec<R>, E>
where
    T: Send,
    R: Send,
    E: Send,
{
    let results = Mutex::new(Vec::new());
    locked(&results).resize_with(tasks.len(), || None);
    let work_one = |(): &mut (), (place, task): (usize, T)| {
        let result = work(task)?;
        locked(&results)[place] = Some(result);
        Ok(())
    };
    for_each(tasks.into_iter().enumerate().collect(), threads, || (), work_one)?;
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect())
}

/// What a thread that panicked had locked is whole: nothing is left half-changed under a lock here.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Queue<T, E> {
    tasks: std::vec::IntoIter<T>,
    error: Option<E>,
}

fn next<T, E>(queue: &Mutex<Queue<T, E>>) -> Option<T> {
    let mut queue = locked(queue);
    if queue.error.is_some() { None } else { queue.tasks.next() }
}

fn fail<T, E>(queue: &Mutex<Queue<T, E>>, error: E) {
    let mut queue = locked(queue);
    queue.error.get_or_insert(error);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn every_task_is_done_once_on_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let sum = AtomicU64::new(0);
            let add = |_: &mut (), task: u64| -> Result<(), ()> {
                sum.fetch_add(task, Ordering::Relaxed);
                Ok(())
            };
            assert_eq!(for_each((1..=1000).collect(), threads, || (), add), Ok(()));
            assert_eq!(sum.into_inner(), 500_500);
        }
    }

    #[test]
    fn results_come_in_the_order_of_their_tasks() {
        for threads in [1, 3] {
            let squares = map((0..1000_u64).collect(), threads, |n| Ok::<_, ()>(n * n));
            assert_eq!(squares, Ok((0..1000).map(|n| n * n).collect()));
            assert_eq!(map(vec![1, 2, 3], threads, |n| if n == 2 { Err(n) } else { Ok(n) }), Err(2));
        }
    }

    #[test]
    fn an_error_ends_it() {
        for threads in [1, 3] {
            let done = AtomicU64::new(0);
            let refuse = |_: &mut (), task: u64| {
                done.fetch_add(1, Ordering::Relaxed);
                if task == 5 { Err(task) } else { Ok(()) }
            };
            assert_eq!(for_each((0..100_000).collect(), threads, || (), refuse), Err(5));
            assert!(done.into_inner() < 100_000);
        }
    }

    #[test]
    fn little_is_not_shared() {
        assert_eq!(worth(1000, 50), 1);
        assert_eq!(worth(100 << 20, 1), 1);
        assert_eq!(worth(100 << 20, 1000), threads());
    }
}
