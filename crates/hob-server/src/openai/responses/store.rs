//! Answers that are kept, the oldest let go when there are too many.

use crate::ask::Leave;
use crate::limits;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Kept answers.
#[derive(Default)]
pub struct Store {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<String, Entry>,
    order: VecDeque<String>,
    bytes: usize,
}

struct Entry {
    response: Value,
    /// All that it was an answer to, what came before the request included.
    items: Vec<Value>,
    /// What the request said about models elsewhere: what goes on with it is as private.
    leave: Leave,
    bytes: usize,
}

impl Store {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an answer with what it was an answer to.
    pub fn put(&self, response: &Value, items: Vec<Value>, leave: Leave) {
        let Some(id) = response["id"].as_str() else { return };
        let bytes =
            response.to_string().len() + items.iter().map(|item| item.to_string().len()).sum::<usize>();
        let mut kept = self.kept();
        kept.by_id.insert(id.to_owned(), Entry { response: response.clone(), items, leave, bytes });
        kept.order.push_back(id.to_owned());
        kept.bytes += bytes;
        while kept.order.len() > limits::STORED_MAX || kept.bytes > limits::STORED_BYTES_MAX {
            let Some(oldest) = kept.order.pop_front() else { break };
            kept.forget(&oldest);
        }
    }

    /// A kept answer.
    pub fn get(&self, id: &str) -> Option<Value> {
        self.kept().by_id.get(id).map(|entry| entry.response.clone())
    }

    /// What it was an answer to.
    pub fn items(&self, id: &str) -> Option<Vec<Value>> {
        self.kept().by_id.get(id).map(|entry| entry.items.clone())
    }

    /// What the request said about models elsewhere.
    pub fn leave(&self, id: &str) -> Option<Leave> {
        self.kept().by_id.get(id).map(|entry| entry.leave.clone())
    }

    /// What it was an answer to, and the answer.
    pub fn conversation(&self, id: &str) -> Option<Vec<Value>> {
        let kept = self.kept();
        let entry = kept.by_id.get(id)?;
        let output = entry.response["output"].as_array().cloned().unwrap_or_default();
        Some(entry.items.iter().cloned().chain(output).collect())
    }

    /// Forgets one; `false` if there was none.
    pub fn remove(&self, id: &str) -> bool {
        let mut kept = self.kept();
        kept.order.retain(|other| other != id);
        kept.forget(id)
    }
}

impl Kept {
    fn forget(&mut self, id: &str) -> bool {
        let entry = self.by_id.remove(id);
        self.bytes -= entry.as_ref().map_or(0, |entry| entry.bytes);
        entry.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_oldest_goes_and_bytes_are_counted() {
        let store = Store::default();
        let response = |n: usize| json!({"id": format!("resp_{n}"), "output": [{"n": n}]});
        (0..limits::STORED_MAX + 2)
            .for_each(|n| store.put(&response(n), vec![json!({"in": n})], Leave::default()));
        assert!(store.get("resp_1").is_none() && store.get("resp_2").is_some());
        assert_eq!(store.conversation("resp_5"), Some(vec![json!({"in": 5}), json!({"n": 5})]));
        assert!(store.remove("resp_5") && !store.remove("resp_5"));
        for n in 0..limits::STORED_MAX + 2 {
            store.remove(&format!("resp_{n}"));
        }
        let kept = store.kept();
        assert_eq!((kept.bytes, kept.order.len(), kept.by_id.len()), (0, 0, 0));
    }
}
