//! Hob's own form: everything that is kept, in the words of [`Chat`] and [`Message`].

use crate::{Chat, Error, Message};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What the file says that it is.
pub(super) const FORMAT: &str = "hob-chats";
/// The newest version of the form.
pub(super) const VERSION: u64 = 1;

/// A conversation with its messages.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carried {
    pub(super) chat: Chat,
    pub(super) messages: Vec<Message>,
}

impl Carried {
    /// Puts every message after the one it follows; those that follow the same keep their order.
    ///
    /// # Errors
    /// A message follows one that is not there, or itself around a circle; or two have the same id.
    pub(super) fn sort(&mut self) -> Result<(), Error> {
        let messages = std::mem::take(&mut self.messages);
        let wrong = |found: String| Error::Field { field: "messages", expected: "a tree".into(), found };
        let places: HashMap<&str, usize> =
            messages.iter().enumerate().map(|(at, message)| (message.id.as_str(), at)).collect();
        if places.len() < messages.len() {
            return Err(wrong("two messages with the same id".into()));
        }
        let parents = messages.iter().map(|message| match &message.parent {
            None => Ok(None),
            Some(parent) => match places.get(parent.as_str()) {
                Some(at) => Ok(Some(*at)),
                None => Err(Error::NoParent { id: message.id.clone(), parent: parent.clone() }),
            },
        });
        let order = order(&parents.collect::<Result<Vec<_>, _>>()?);
        let order = order.ok_or_else(|| wrong("messages that follow each other in a circle".into()))?;
        let mut left: Vec<Option<Message>> = messages.into_iter().map(Some).collect();
        self.messages = order.into_iter().filter_map(|at| left[at].take()).collect();
        Ok(())
    }
}

/// An order in which everything comes after its parent, and otherwise as before. `None`: there is a circle.
pub(super) fn order(parents: &[Option<usize>]) -> Option<Vec<usize>> {
    let mut order = Vec::with_capacity(parents.len());
    let mut is_placed = vec![false; parents.len()];
    let mut chain = Vec::new();
    for start in 0..parents.len() {
        // Up to what stands already, then down again.
        let mut at = Some(start);
        while let Some(index) = at.filter(|index| !is_placed[*index]) {
            if chain.len() > parents.len() {
                return None;
            }
            chain.push(index);
            at = parents[index];
        }
        for index in chain.drain(..).rev() {
            is_placed[index] = true;
            order.push(index);
        }
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn parents_come_first_and_circles_are_found() {
        assert_eq!(order(&[None, Some(0), Some(0)]), Some(vec![0, 1, 2]));
        assert_eq!(order(&[Some(2), Some(0), None]), Some(vec![2, 0, 1]));
        assert_eq!(order(&[Some(0)]), None);
        assert_eq!(order(&[None, Some(2), Some(1)]), None);
        assert_eq!(order(&[]), Some(vec![]));
    }
}
