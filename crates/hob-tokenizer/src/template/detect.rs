//! What a template can do, told from its text.

use super::ChatTemplate;

/// The strings that enclose a model's thoughts in its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThinkingMarkers {
    /// Begins the thoughts.
    pub open: &'static str,
    /// Ends them; the answer follows.
    pub close: &'static str,
}

/// Markers of published models, the more particular first.
const MARKERS: [ThinkingMarkers; 5] = [
    ThinkingMarkers { open: "<|channel>thought", close: "<channel|>" },
    ThinkingMarkers { open: "<think>", close: "</think>" },
    ThinkingMarkers { open: "[THINK]", close: "[/THINK]" },
    ThinkingMarkers { open: "<|inner_prefix|>", close: "<|inner_suffix|>" },
    ThinkingMarkers { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
];

impl ChatTemplate {
    /// Whether the template shows the model the tools it is given.
    pub fn supports_tools(&self) -> bool {
        let source = self.source();
        source.match_indices("tools").any(|(at, word)| {
            let boundary = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            boundary(source[..at].chars().next_back()) && boundary(source[at + word.len()..].chars().next())
        })
    }

    /// Whether the template knows models that think before they answer.
    pub fn supports_thinking(&self) -> bool {
        self.thinking_markers().is_some()
            || self.has_thinking_switch()
            || self.source().contains("reasoning_content")
    }

    /// Whether the variable `enable_thinking` turns thinking on and off.
    pub fn has_thinking_switch(&self) -> bool {
        self.source().contains("enable_thinking")
    }

    /// The strings between which the model's thoughts stand, where the template shows them.
    pub fn thinking_markers(&self) -> Option<ThinkingMarkers> {
        let source = self.source();
        let by_text = MARKERS.into_iter().find(|m| source.contains(m.open) || source.contains(m.close));
        by_text.or_else(|| source.contains("<|think|>").then_some(MARKERS[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_and_switches() {
        let of = |source: &str| ChatTemplate::new(source).unwrap();
        let qwen =
            of("{% if tools %}{{ tools | tojson }}{% endif %}{% if enable_thinking %}<think>{% endif %}");
        assert!(qwen.supports_tools() && qwen.supports_thinking() && qwen.has_thinking_switch());
        assert_eq!(qwen.thinking_markers().map(|m| m.close), Some("</think>"));
        let plain = of("{{ messages[0].content }} my_tools toolset");
        assert!(!plain.supports_tools() && !plain.supports_thinking());
        assert_eq!(of("<|think|>").thinking_markers().map(|m| m.open), Some("<|channel>thought"));
    }
}
