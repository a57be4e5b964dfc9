//! Divides listings into pages.

use serde_json::{Value, json};

/// A page of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The token for the next page. None: this is the last page.
    pub next: Option<String>,
}

/// Returns the page for `token` (without one, the first page), with at most `size` items. A token is the number of
/// items on the pages before. None: `token` is invalid.
pub fn page<T>(items: Vec<T>, token: Option<&str>, size: usize) -> Option<Page<T>> {
    let start = token.map_or(Some(0), |token| token.parse::<usize>().ok())?;
    let end = start.saturating_add(size).min(items.len());
    let next = (end < items.len()).then(|| end.to_string());
    Some(Page { items: items.into_iter().take(end).skip(start).collect(), next })
}

/// Returns the page size in a request's member: at most `most`, and `default` if the member is absent.
pub fn size(member: &Value, default: usize, most: usize) -> usize {
    member.as_u64().map_or(default, |size| usize::try_from(size).unwrap_or(most)).min(most)
}

impl Page<Value> {
    /// Returns the page as an answer: `{list: items, token: next}`, without a token on the last page.
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
