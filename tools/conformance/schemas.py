"""JSON schemas that people use, as formats of answers: each is enforced, so that `jsonschema` agrees with what was written, or
refused with 400 and a place in the schema. A token limit may cut an answer off; such answers are begun again with
more room, and told apart if that does not help."""

import collections
import concurrent.futures
import json
import pathlib
import random
import re
import urllib.error
import urllib.request

from common import Missing, Result, server, version

# Answers at a time; the server shares passes between them.
AT_ONCE = 8
# Tokens of each try, and how much the ends of texts, lists and objects are favoured: a small model finds none by itself.
TRIES = [(200, 6), (400, 14)]
ENDS = ['"', "}", "]", '"}', '"]', "}}", '",', "]}"]


def records(context, name):
    try:
        import zstandard
    except ImportError:
        raise Missing("zstandard is not installed") from None
    path = pathlib.Path(context.shared or "none") / "data" / "tasks" / f"{name}.jsonl.zst"
    if not path.exists():
        raise Missing(f"there is no {name}; --shared names the folder that holds data/tasks")
    with open(path, "rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file).read().decode()
    found = [json.loads(line) for line in text.splitlines()]
    if context.sample and context.sample < len(found):
        found = random.Random(context.seed).sample(found, context.sample)
    return found


def post(address, body):
    request = urllib.request.Request(address + "/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ends(address):
    """The tokens that end something."""
    found = set()
    for text in ENDS:
        request = urllib.request.Request(address + "/tokenize", json.dumps({"content": text}).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            tokens = json.load(answer)["tokens"]
        if len(tokens) == 1:
            found.add(tokens[0])
    return found


def ask(address, record, tokens, bias):
    schema = record["schema"]
    body = {
        "model": "ember",
        "messages": [{"role": "user", "content": "Write a short example."}],
        "max_tokens": tokens,
        "seed": 1,
        "temperature": 1,
        "logit_bias": bias,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}},
    }
    return post(address, body)


def judge(address, record, closing):
    """How a schema fared: enforced, refused, cut, or wrong, with a word about it."""
    for tokens, favour in TRIES:
        status, answer = ask(address, record, tokens, {str(token): favour for token in closing})
        if status == 400:
            message = answer["error"]["message"]
            return ("refused", message) if re.search(r" at (#|start)", message) else ("wrong", f"refused without a place: {message}")
        if status != 200:
            return "wrong", f"status {status}: {answer}"
        choice = answer["choices"][0]
        if choice["finish_reason"] == "stop":
            return agree(record, choice["message"]["content"])
    return "cut", ""


def agree(record, text):
    import jsonschema

    schema, drafts = record["schema"], {"draft4": jsonschema.Draft4Validator, "draft6": jsonschema.Draft6Validator, "draft7": jsonschema.Draft7Validator}
    default = drafts.get(record.get("draft"), jsonschema.Draft202012Validator)
    try:
        value = json.loads(text)
    except ValueError as error:
        return "wrong", f"no JSON ({error}): {text[:300]}"
    if isinstance(schema, bool):
        return ("enforced", "") if schema else ("wrong", f"nothing fits `false`: {text[:300]}")
    kind = jsonschema.validators.validator_for(schema, default=default)
    try:
        problem = next(kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(value), None)
    except Exception as error:
        return "wrong", f"jsonschema cannot judge ({error}): {text[:300]}"
    return ("enforced", "") if problem is None else ("wrong", f"{problem.message[:200]} at {list(problem.absolute_path)}: {text[:300]}")


def suite(name, enforced_min):
    def run(context):
        found = version("jsonschema")
        all_records = records(context, name)
        with server(context.hob, context=4096) as address, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            closing = ends(address)
            judged = list(pool.map(lambda record: judge(address, record, closing), all_records))
        counts = collections.Counter(kind for kind, _ in judged)
        reasons = collections.Counter(re.sub(r".*?: ", "", text, count=1)[:90] for kind, text in judged if kind == "refused")
        problems = [f"{record['id']}\n{text}" for record, (kind, text) in zip(all_records, judged) if kind == "wrong"]
        share = 1 - counts["refused"] / max(len(judged), 1)
        if share < enforced_min:
            told = "\n".join(f"{count} x {reason}" for reason, count in reasons.most_common(20))
            problems.append(f"{share:.1%} of the schemas are enforced, fewer than {enforced_min:.0%}; refused were\n{told}")
        note = f"{share:.1%} enforced ({counts['enforced']} checked, {counts['cut']} cut off), {counts['refused']} refused with a place"
        return Result(found, counts["enforced"] + counts["refused"] + counts["cut"], len(problems), note, problems)

    return run


SUITES = {"schemas-bench": suite("json_schema_bench", 0.95), "schemas-test-suite": suite("json_schema_test_suite", 0)}
