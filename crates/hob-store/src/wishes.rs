//! How a model wants to be used, read out of the parameters that came with it.

use crate::Settings;

/// Longest text that ends an answer, in bytes.
const STOP_BYTES_MAX: usize = 1024;
/// Most such texts.
const STOPS_MAX: usize = 32;
/// Largest number of tokens believed in.
const TOKENS_MAX: i64 = 1 << 24;

/// Parameters by name, as numbers. What is absent is the publisher's or Hob's choice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// `seed`.
    pub seed: Option<u64>,
    /// `temperature`.
    pub temperature: Option<f32>,
    /// `top_k`.
    pub top_k: Option<u32>,
    /// `top_p`.
    pub top_p: Option<f32>,
    /// `min_p`.
    pub min_p: Option<f32>,
    /// `typical_p`.
    pub typical_p: Option<f32>,
    /// `repeat_penalty`.
    pub repeat_penalty: Option<f32>,
    /// `repeat_last_n`; below zero for all.
    pub repeat_last_n: Option<i64>,
    /// `presence_penalty`.
    pub presence_penalty: Option<f32>,
    /// `frequency_penalty`.
    pub frequency_penalty: Option<f32>,
    /// `num_predict`; not what means "without a limit".
    pub max_tokens: Option<usize>,
    /// `num_ctx`.
    pub context: Option<usize>,
    /// Every `stop`.
    pub stop: Vec<String>,
}

/// Parameters that say how a machine is used; they mean nothing here and are no mistake.
const OF_MACHINES: [&str; 13] = [
    "num_keep",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "use_mmap",
    "use_mlock",
    "num_thread",
    "num_gqa",
    "low_vram",
    "vocab_only",
    "numa",
    "f16_kv",
    "draft_num_predict",
];

impl Wishes {
    /// Takes one parameter in.
    ///
    /// # Errors
    /// What would have done, for a value that makes no sense or a name that nobody knows.
    pub fn take(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let share = || float(value, 0.0..=1.0).ok_or("a number from 0 to 1");
        let penalty = || float(value, -100.0..=100.0).ok_or("a number from -100 to 100");
        let tokens = |least: i64| {
            let count = value.trim().parse::<i64>().ok().filter(|n| (least..=TOKENS_MAX).contains(n));
            count.ok_or("a number of tokens")
        };
        match name {
            // Below zero means another one each time.
            "seed" => {
                self.seed = value
                    .trim()
                    .parse::<i64>()
                    .map(|n| u64::try_from(n).ok())
                    .map_err(|_| "a whole number")?
            }
            "temperature" => {
                self.temperature = Some(float(value, 0.0..=100.0).ok_or("a number from 0 to 100")?)
            }
            "top_k" => self.top_k = Some(u32::try_from(tokens(-1)?).unwrap_or(0)),
            "top_p" => self.top_p = Some(share()?),
            "min_p" => self.min_p = Some(share()?),
            "typical_p" => self.typical_p = Some(float(value, 0.01..=1.0).ok_or("a number from 0.01 to 1")?),
            "repeat_penalty" => {
                self.repeat_penalty = Some(float(value, 0.01..=100.0).ok_or("a number from 0.01 to 100")?)
            }
            "repeat_last_n" => self.repeat_last_n = Some(tokens(-1)?),
            "presence_penalty" => self.presence_penalty = Some(penalty()?),
            "frequency_penalty" => self.frequency_penalty = Some(penalty()?),
            "num_predict" => self.max_tokens = usize::try_from(tokens(-2)?).ok().filter(|n| *n > 0),
            "num_ctx" => self.context = usize::try_from(tokens(2)?).ok(),
            "stop" if value.is_empty() || value.len() > STOP_BYTES_MAX || self.stop.len() >= STOPS_MAX => {
                return Err("at most 32 texts of at most 1024 bytes");
            }
            "stop" => self.stop.push(value.to_owned()),
            name if OF_MACHINES.contains(&name) => {}
            _ => return Err("the name of a parameter that Hob knows"),
        }
        Ok(())
    }
}

fn float(text: &str, range: std::ops::RangeInclusive<f32>) -> Option<f32> {
    text.trim().parse().ok().filter(|number| range.contains(number))
}

impl Settings {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The parameters as numbers. Those that make no sense are passed over: a model from elsewhere is not lost by them.
    pub fn wishes(&self) -> Wishes {
        let mut wishes = Wishes::default();
        for (name, value) in &self.parameters {
            let _ = wishes.take(name, value);
        }
        wishes
    }

    /// The template, where it is one in Jinja, the language of models' own templates. Ollama's are in another (Go's),
    /// which opens its commands with two braces and a word after a dot.
    pub fn jinja(&self) -> Option<&str> {
        self.template.as_deref().filter(|text| text.contains("{%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_or_passed_over() {
        let pairs = [
            ("temperature", "0.25"),
            ("top_k", "-1"),
            ("seed", "-1"),
            ("stop", "<end>"),
            ("stop", "###"),
            ("num_predict", "-1"),
            ("num_ctx", "4096"),
            ("num_gpu", "99"),
            ("top_p", "nan"),
            ("min_p", "7"),
            ("unheard_of", "1"),
        ];
        let parameters = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let wishes = Settings { parameters, ..Settings::default() }.wishes();
        let expected = Wishes {
            temperature: Some(0.25),
            top_k: Some(0),
            context: Some(4096),
            stop: vec!["<end>".into(), "###".into()],
            ..Wishes::default()
        };
        assert_eq!(wishes, expected);
        for (name, value) in &pairs[8..] {
            assert!(Wishes::default().take(name, value).is_err(), "{name}");
        }
    }

    #[test]
    fn templates_are_told_apart() {
        let jinja = |text: &str| {
            let settings = Settings { template: Some(text.into()), ..Settings::default() };
            settings.jinja().is_some()
        };
        assert!(jinja("{% for m in messages %}{{ m.content }}{% endfor %}"));
        assert!(!jinja("{{ if .System }}{{ .System }}{{ end }}{{ .Prompt }}"));
    }
}
