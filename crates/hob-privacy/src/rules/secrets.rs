//! Keys and tokens: whoever has one may act as somebody else.

use super::Rule;
use crate::{Label, Sure};

pub(super) const RULES: &[Rule] = &[
    Rule::new("private key", Label::Secret, Sure::Certain, r"(?s)(-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----|$))"),
    Rule::new("AWS key", Label::Secret, Sure::Certain, r"\b((?:AKIA|ASIA|AROA|AIDA)[A-Z2-7]{16})\b"),
    Rule::new("AWS secret", Label::Secret, Sure::Likely, r"(?:^|[^A-Za-z0-9/+=])([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)").near("aws|secret_access_key|aws_secret_access_key|secret access key"),
    Rule::new("GitHub token", Label::Secret, Sure::Certain, r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})\b"),
    Rule::new("GitLab token", Label::Secret, Sure::Certain, r"\b(gl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent)-[A-Za-z0-9_-]{20,64})\b"),
    Rule::new("OpenAI, Anthropic and alike", Label::Secret, Sure::Certain, r"\b(sk-(?:proj-|ant-|or-|svcacct-|admin-)?[A-Za-z0-9_-]{20,})\b"),
    Rule::new("Hugging Face token", Label::Secret, Sure::Certain, r"\b(hf_[A-Za-z0-9]{30,60})\b"),
    Rule::new("Hob key", Label::Secret, Sure::Certain, r"\b(hob_[A-Za-z0-9]{20,80})\b"),
    Rule::new("Groq, xAI, Replicate, Perplexity", Label::Secret, Sure::Certain, r"\b((?:gsk|xai|r8|pplx)[_-][A-Za-z0-9]{30,100})\b"),
    Rule::new("Slack token", Label::Secret, Sure::Certain, r"\b(xox[abposr]-[A-Za-z0-9-]{10,200}|xapp-[0-9]-[A-Za-z0-9-]{10,200})\b"),
    Rule::new("web hook", Label::Secret, Sure::Certain, r"(https://(?:hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,100}|discord(?:app)?\.com/api/webhooks/[0-9]+/[A-Za-z0-9_-]{40,100}))"),
    Rule::new("Stripe key", Label::Secret, Sure::Certain, r"\b([srp]k_(?:live|test)_[A-Za-z0-9]{16,120}|whsec_[A-Za-z0-9]{24,64})\b"),
    Rule::new("Google key", Label::Secret, Sure::Certain, r"\b(AIza[A-Za-z0-9_-]{35})"),
    Rule::new("Google OAuth", Label::Secret, Sure::Certain, r"\b(ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{28})"),
    Rule::new("Twilio", Label::Secret, Sure::Certain, r"\b((?:SK|AC)[0-9a-f]{32})\b"),
    Rule::new("SendGrid, Mailgun, Mailchimp", Label::Secret, Sure::Certain, r"\b(SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}|key-[0-9a-f]{32}|[0-9a-f]{32}-us[0-9]{1,2})\b"),
    Rule::new("npm, PyPI, crates.io, Docker", Label::Secret, Sure::Certain, r"\b(npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|cio[A-Za-z0-9]{32}|dckr_pat_[A-Za-z0-9_-]{20,60})\b"),
    Rule::new("DigitalOcean, Linear, Notion, Shopify, Atlassian", Label::Secret, Sure::Certain, r"\b(do[opr]_v1_[0-9a-f]{64}|lin_api_[A-Za-z0-9]{40}|(?:secret|ntn)_[A-Za-z0-9]{40,60}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|ATATT3[A-Za-z0-9_=-]{50,})\b"),
    Rule::new("Telegram bot", Label::Secret, Sure::Certain, r"\b([0-9]{8,10}:AA[A-Za-z0-9_-]{33})\b"),
    Rule::new("JSON web token", Label::Secret, Sure::Certain, r"\b(eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"),
    Rule::new("age key", Label::Secret, Sure::Certain, r"\b(AGE-SECRET-KEY-1[0-9A-Z]{58})\b"),
    Rule::new("password in an address", Label::Secret, Sure::Certain, r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:([^\s:/@]{3,})@"),
    Rule::new("authorization header", Label::Secret, Sure::Certain, r"(?i)\bauthorization:\s*(?:bearer|basic|token)\s+([A-Za-z0-9._~+/=-]{8,})"),
    Rule::new("value of a key", Label::Secret, Sure::Likely, r#"(?i)\b(?:[a-z0-9]+_)*(?:api[_-]?key|secret(?:[_-]?key)?|access[_-]?token|auth[_-]?token|client[_-]?secret|private[_-]?key|passwd|password|passphrase|token)\b["']?\s*(?::|=|\bis\b)\s*["']?([^\s"',;]{6,})"#).checked(looks_secret),
    Rule::new("pin", Label::Secret, Sure::Likely, r"(?i)\b(?:pin|cvv|cvc|cvv2|security code|otp|one[- ]time (?:code|password)|verification code)(?: code| number)?(?: is|:|=)?\s*([0-9]{3,8})\b"),
];

/// Not a word that says what kind of value belongs there.
fn looks_secret(text: &str) -> bool {
    let text = text.trim_end_matches(['.', ')', '!', '?']);
    text.len() >= 6 && text.bytes().any(|c| !c.is_ascii_lowercase()) && !text.starts_with(['<', '{', '$'])
}
