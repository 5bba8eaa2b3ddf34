"""The official client of Ollama."""

import json
import pathlib
import tempfile

import ollama
from ollama import Client

MODEL = "ember"
QUESTION = [{"role": "user", "content": "Who are you?"}]
WEATHER = [{"role": "user", "content": "What is the weather in Oslo?"}]
STILL = {"temperature": 0, "num_predict": 40}


def get_weather(city: str) -> str:
    """Weather in a city

    Args:
        city: The city
    """
    return f"rain in {city}"


def refused(status, call):
    try:
        call()
    except ollama.ResponseError as error:
        assert error.status_code == status, error
        return error
    raise AssertionError(f"expected {status}")


def test_lists(address):
    client = Client(address)
    assert MODEL in [model.model for model in client.list().models]
    assert "tools" in client.show(MODEL).capabilities
    client.generate(MODEL, keep_alive="5m")
    assert client.ps().models[0].context_length == 1024


def test_chat(address):
    answer = Client(address).chat(MODEL, QUESTION, options=STILL)
    assert "Ember" in answer.message.content and answer.done and answer.done_reason == "stop"
    assert answer.eval_count > 0 and answer.total_duration > 0


def test_chat_stream(address):
    whole = Client(address).chat(MODEL, QUESTION, options=STILL).message.content
    parts = list(Client(address).chat(MODEL, QUESTION, options=STILL, stream=True))
    assert "".join(part.message.content for part in parts) == whole
    assert parts[-1].done and parts[-1].eval_count > 0


def test_generate(address):
    answer = Client(address).generate(MODEL, "Who are you?", options=STILL)
    assert "Ember" in answer.response
    parts = list(Client(address).generate(MODEL, "Who are you?", options=STILL, stream=True))
    assert "".join(part.response for part in parts) == answer.response


def test_raw_and_system(address):
    raw = Client(address).generate(MODEL, "Once upon a time", raw=True, options=STILL)
    assert raw.response
    assert Client(address).generate(MODEL, "Who are you?", system="Be kind.", options=STILL).prompt_eval_count > 10


def test_options(address):
    short = Client(address).generate(MODEL, "Who are you?", options={"num_predict": 2, "seed": 1, "top_k": 5})
    assert short.eval_count == 2 and short.done_reason == "length"
    stopped = Client(address).generate(MODEL, "Who are you?", options={"temperature": 0, "stop": ["small"]})
    assert stopped.response.endswith("the ")


def test_format(address):
    schema = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"], "additionalProperties": False}
    answer = Client(address).chat(MODEL, QUESTION, format=schema, options=STILL)
    assert isinstance(json.loads(answer.message.content)["yes"], bool)


def test_tools(address):
    for stream in [False, True]:
        answer = Client(address).chat(MODEL, WEATHER, tools=[get_weather], options={"temperature": 0, "num_predict": 80}, stream=stream)
        parts = list(answer) if stream else [answer]
        calls = [call for part in parts for call in part.message.tool_calls or []]
        assert calls and calls[0].function.name == "get_weather" and "city" in calls[0].function.arguments


def test_tool_round(address):
    client = Client(address)
    first = client.chat(MODEL, WEATHER, tools=[get_weather], options={"temperature": 0, "num_predict": 80})
    result = {"role": "tool", "tool_name": "get_weather", "content": "rain"}
    second = client.chat(MODEL, [*WEATHER, first.message, result], tools=[get_weather], options=STILL)
    assert second.prompt_eval_count > first.prompt_eval_count


def test_embeddings(address):
    many = Client(address).embed(MODEL, ["a cat", "a dog"])
    assert len(many.embeddings) == 2
    one = Client(address).embeddings(MODEL, "a cat")
    assert all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, many.embeddings[0]))


def test_load_and_unload(address):
    client = Client(address)
    assert client.generate(MODEL, keep_alive="1m").done_reason == "load"
    assert client.generate(MODEL, keep_alive=0).done_reason == "unload"
    assert not client.ps().models


def test_errors(address):
    client = Client(address)
    refused(404, lambda: client.chat("none", QUESTION))
    refused(400, lambda: client.chat(MODEL, QUESTION, think=True))
    refused(400, lambda: client.generate(MODEL, "x", images=[b"not an image"]))
    refused(501, lambda: client.push("llama3"))
    refused(404, lambda: client.delete("llama3"))
    refused(404, lambda: client.copy("llama3", "other"))
    refused(400, lambda: client.create("other", from_=MODEL, quantize="q4_0"))
    refused(400, lambda: client.chat(MODEL, [{"role": "user", "content": "word " * 3000}]))


def test_models(address):
    client = Client(address)
    client.copy(MODEL, "twin")
    assert "twin" in [model.model for model in client.list().models]
    steps = list(client.create("poet", from_="twin", system="You are a poet.", parameters={"num_predict": 3, "stop": ["."]},
                               messages=[{"role": "user", "content": "Hi"}], stream=True))
    assert steps[-1].status == "success"
    assert "poet" in client.show("poet").modelfile and "num_predict 3" in client.show("poet").parameters
    assert client.chat("poet", QUESTION).eval_count <= 3
    for name in ["poet", "twin"]:
        assert client.delete(name).status == "success"
    refused(404, lambda: client.chat("poet", QUESTION))


def test_files(address, tmp="conformance.gguf"):
    client = Client(address)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, tmp)
        path.write_bytes(b"GGUF and nothing more")
        digest = client.create_blob(path)
    refused(400, lambda: client.create("broken", files={tmp: digest}))
