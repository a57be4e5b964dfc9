//! A listing in pages.

use serde_json::{Value, json};

/// A page of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// What asks for the next page; None on the last one.
    pub next: Option<String>,
}

/// The page that `token` asks for (the first one without), of at most `size` items. A token is the number of items on the
/// pages before. None: `token` is not one of ours.
pub fn page<T>(items: Vec<T>, token: Option<&str>, size: usize) -> Option<Page<T>> {
    let start = token.map_or(Some(0), |token| token.parse::<usize>().ok())?;
    let end = start.saturating_add(size).min(items.len());
    let next = (end < items.len()).then(|| end.to_string());
    Some(Page { items: items.into_iter().take(end).skip(start).collect(), next })
}

/// The number that a member asks for as the size of a page; `default` where it asks for none, `most` at most.
pub fn size(member: &Value, default: usize, most: usize) -> usize {
    member.as_u64().map_or(default, |size| usize::try_from(size).unwrap_or(most)).min(most)
}

impl Page<Value> {
    /// As an answer: `{list: items, token: next}`, without a token on the last page.
    pub fn answer(self, list: &str, token: &str) -> Value {
        let mut answer = json!({list: self.items});
        if let Some(next) = self.next {
            answer[token] = json!(next);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole_listing() {
        let (mut token, mut all) = (None, Vec::new());
        loop {
            let page = page((0..7).collect(), token.as_deref(), 3).unwrap();
            assert!(page.items.len() <= 3);
            all.extend(page.items);
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(page(vec![1], Some("x"), 3), None);
        assert_eq!(page(vec![1], Some("9"), 3), Some(Page { items: vec![], next: None }));
    }
}
