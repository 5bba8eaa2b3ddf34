//! A stand-in for the interfaces of models elsewhere: chat completions as OpenAI has them, messages as Anthropic has them.
//! It says what a test wants said, as a stream that is written in pieces of any size, and fails where the test wants that.

use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, to the byte.
    pub body: String,
    /// How many came before.
    pub index: usize,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What a model says.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// What it thinks before.
    pub thought: Vec<String>,
    /// The answer, in the pieces in which it comes.
    pub text: Vec<String>,
    /// Tools that it calls, with arguments in two pieces.
    pub calls: Vec<(String, Value)>,
    /// Whether it was cut at its limit.
    pub is_cut: bool,
    /// Tokens read and written, as it tells them; nothing is told without.
    pub usage: Option<(u64, u64)>,
}

impl Said {
    /// An answer of these pieces.
    pub fn text(pieces: &[&str]) -> Self {
        let text = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        Self { text, usage: Some((11, 7)), ..Self::default() }
    }

    /// Its events as chat completions have them.
    fn openai(&self) -> Vec<String> {
        let chunk = |delta: Value, finish: Value| {
            let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
            format!("data: {}\n\n", json!({"object": "chat.completion.chunk", "choices": [choice]}))
        };
        let mut events = vec![
            ": a comment\n\n".to_owned(),
            chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        ];
        events.extend(self.thought.iter().map(|t| chunk(json!({"reasoning_content": t}), Value::Null)));
        events.extend(self.text.iter().map(|t| chunk(json!({"content": t}), Value::Null)));
        for (index, (name, arguments)) in self.calls.iter().enumerate() {
            let (first, second) = halves(arguments);
            let function = json!({"name": name, "arguments": ""});
            let call = json!({"index": index, "id": format!("call_{index}"), "type": "function", "function": function});
            events.push(chunk(json!({"tool_calls": [call]}), Value::Null));
            for part in [first, second] {
                let call = json!({"index": index, "function": {"arguments": part}});
                events.push(chunk(json!({"tool_calls": [call]}), Value::Null));
            }
        }
        let finish = match (self.is_cut, self.calls.is_empty()) {
            (true, _) => "length",
            (false, false) => "tool_calls",
            (false, true) => "stop",
        };
        events.push(chunk(json!({}), finish.into()));
        if let Some((read, written)) = self.usage {
            let usage =
                json!({"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written});
            events.push(format!("data: {}\n\n", json!({"choices": [], "usage": usage})));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    /// Its events as messages have them.
    fn anthropic(&self) -> Vec<String> {
        let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
        let delta = |index: usize, delta: Value| {
            event(json!({"type": "content_block_delta", "index": index, "delta": delta}))
        };
        let (read, written) = self.usage.unwrap_or((0, 0));
        let usage = json!({"input_tokens": read, "output_tokens": 1});
        let mut events =
            vec![event(json!({"type": "message_start", "message": {"role": "assistant", "usage": usage}}))];
        let mut index = 0;
        let mut block = |events: &mut Vec<String>, block: Value, deltas: Vec<Value>| {
            events
                .push(event(json!({"type": "content_block_start", "index": index, "content_block": block})));
            events.push(event(json!({"type": "ping"})));
            events.extend(deltas.into_iter().map(|d| delta(index, d)));
            events.push(event(json!({"type": "content_block_stop", "index": index})));
            index += 1;
        };
        if !self.thought.is_empty() {
            let deltas =
                self.thought.iter().map(|t| json!({"type": "thinking_delta", "thinking": t})).collect();
            block(&mut events, json!({"type": "thinking", "thinking": ""}), deltas);
        }
        if !self.text.is_empty() {
            let deltas = self.text.iter().map(|t| json!({"type": "text_delta", "text": t})).collect();
            block(&mut events, json!({"type": "text", "text": ""}), deltas);
        }
        for (place, (name, arguments)) in self.calls.iter().enumerate() {
            let (first, second) = halves(arguments);
            let deltas =
                [first, second].map(|part| json!({"type": "input_json_delta", "partial_json": part}));
            let tool = json!({"type": "tool_use", "id": format!("toolu_{place}"), "name": name, "input": {}});
            block(&mut events, tool, deltas.to_vec());
        }
        let reason = match (self.is_cut, self.calls.is_empty()) {
            (true, _) => "max_tokens",
            (false, false) => "tool_use",
            (false, true) => "end_turn",
        };
        let usage = json!({"output_tokens": written});
        events
            .push(event(json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage})));
        events.push(event(json!({"type": "message_stop"})));
        events
    }
}

/// Arguments in two pieces, cut in the middle of whatever stands there.
fn halves(arguments: &Value) -> (String, String) {
    let text = arguments.to_string();
    let mut middle = text.len() / 2;
    while !text.is_char_boundary(middle) {
        middle += 1;
    }
    (text[..middle].to_owned(), text[middle..].to_owned())
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// As the path's interface streams it, in pieces of so many bytes.
    Stream(Said, usize),
    /// The same, but the connection ends after so many bytes.
    Cut(Said, usize),
    /// The same, but after so many bytes nothing comes for so long.
    Stall(Said, usize, Duration),
    /// The last piece of text again and again, until the other side hangs up.
    Endless(Said),
    /// An answer in one piece, with this status, headers and body.
    Whole(u16, Vec<(&'static str, String)>, String),
    /// The connection ends without an answer.
    Hangup,
}

impl Reply {
    /// A status with the error body that both interfaces have in common.
    pub fn status(status: u16, message: &str) -> Self {
        Self::Whole(status, Vec::new(), json!({"error": {"message": message}}).to_string())
    }

    /// A stream of pieces that are cut anywhere.
    pub fn said(said: Said) -> Self {
        Self::Stream(said, 7)
    }
}

type Script = Box<dyn FnMut(&Asked) -> Reply + Send>;

struct State {
    asked: Mutex<Vec<Asked>>,
    script: Mutex<Script>,
    is_over: AtomicBool,
}

/// A stand-in for a model elsewhere. It ends when it is dropped.
pub struct Api {
    address: SocketAddr,
    state: Arc<State>,
}

impl Api {
    /// Starts one that answers as `script` says.
    pub fn start(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, script, is_over) =
            (Mutex::default(), Mutex::new(Box::new(script) as Script), AtomicBool::new(false));
        let state = Arc::new(State { asked, script, is_over });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), state) = (stream, Arc::clone(&shared)) else { continue };
                thread::spawn(move || drop(talk(stream, &state)));
            }
        });
        Self { address, state }
    }

    /// Its address, without a path.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked since the last time.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.state.asked.lock().unwrap())
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        drop(crate::serve::knock(self.address));
    }
}

fn talk(stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader, state) {
        let reply = (state.script.lock().unwrap())(&asked);
        if !answer(&mut out, &asked, reply)? {
            break;
        }
    }
    out.shutdown(Shutdown::Both)
}

fn read(reader: &mut BufReader<TcpStream>, state: &State) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { path, headers, ..Asked::default() };
    let length = asked.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).unwrap();
    let mut all = state.asked.lock().unwrap();
    asked.index = all.len();
    all.push(asked.clone());
    Some(asked)
}

/// Answers one request; whether the connection goes on.
fn answer(out: &mut TcpStream, asked: &Asked, reply: Reply) -> io::Result<bool> {
    let events =
        |said: &Said| if asked.path.ends_with("/messages") { said.anthropic() } else { said.openai() };
    let (said, size, end) = match reply {
        Reply::Hangup => return Ok(false),
        Reply::Whole(status, headers, body) => {
            let says_kind = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            let kind = if says_kind { "" } else { "content-type: application/json\r\n" };
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            write!(
                out,
                "HTTP/1.1 {status} X\r\n{kind}content-length: {}\r\n{headers}\r\n{body}",
                body.len()
            )?;
            return Ok(true);
        }
        Reply::Endless(said) => {
            head(out)?;
            let all = events(&said);
            let last = all
                .iter()
                .rposition(|event| said.text.last().is_some_and(|text| event.contains(text.as_str())))
                .unwrap();
            all[..last].iter().try_for_each(|event| chunk(out, event.as_bytes()))?;
            loop {
                chunk(out, all[last].as_bytes())?;
            }
        }
        Reply::Stream(said, size) => (said, size.max(1), None),
        Reply::Cut(said, at) => (said, 64, Some((at, Duration::ZERO))),
        Reply::Stall(said, at, time) => (said, 64, Some((at, time))),
    };
    head(out)?;
    let whole = events(&said).concat();
    let sent = end.map_or(whole.len(), |(at, _)| at.min(whole.len()));
    for piece in whole.as_bytes()[..sent].chunks(size) {
        chunk(out, piece)?;
    }
    match end {
        None => out.write_all(b"0\r\n\r\n").map(|()| true),
        Some((_, time)) => {
            thread::sleep(time);
            Ok(false)
        }
    }
}

fn head(out: &mut TcpStream) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
}

fn chunk(out: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    write!(out, "{:x}\r\n", bytes.len())?;
    out.write_all(bytes)?;
    out.write_all(b"\r\n")
}
