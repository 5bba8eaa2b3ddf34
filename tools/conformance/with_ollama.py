"""The official client of Ollama."""

import asyncio
import json
import pathlib
import tempfile

import ollama
from ollama import AsyncClient, Client

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


YES = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"], "additionalProperties": False}


def chat(address, messages=QUESTION, **more):
    return Client(address).chat(MODEL, messages, **{"options": STILL, **more})


def test_async_client(address):
    async def ask():
        client = AsyncClient(address)
        answers = await asyncio.gather(*[client.chat(MODEL, QUESTION, options=STILL) for _ in range(4)])
        return [answer.message.content for answer in answers]

    assert len(set(asyncio.run(ask()))) == 1


def test_async_stream(address):
    async def ask():
        parts = await AsyncClient(address).generate(MODEL, "Who are you?", options=STILL, stream=True)
        return "".join([part.response async for part in parts])

    assert "Ember" in asyncio.run(ask())


def test_parts_of_an_answer(address):
    answer = chat(address)
    assert answer.model == MODEL and answer.created_at.endswith("Z") and answer.message.role == "assistant"
    assert answer.prompt_eval_count > 0 and answer.eval_duration > 0 and answer.load_duration >= 0
    assert not answer.message.tool_calls


def test_lines_of_a_stream(address):
    parts = list(chat(address, stream=True))
    assert all(part.model == MODEL and part.created_at for part in parts)
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[0].done_reason is None and parts[-1].done_reason == "stop"


def test_roles(address):
    with_system = chat(address, [{"role": "system", "content": "Be kind."}, *QUESTION])
    assert with_system.prompt_eval_count > chat(address).prompt_eval_count


def test_conversation_goes_on(address):
    first = chat(address)
    second = chat(address, [*QUESTION, first.message, {"role": "user", "content": "Thanks."}])
    assert second.prompt_eval_count > first.prompt_eval_count


def test_seed(address):
    hot = {"seed": 7, "temperature": 1.5, "num_predict": 20}
    first, second = chat(address, options=hot), chat(address, options=hot)
    assert first.message.content == second.message.content


def test_all_options_are_taken(address):
    options = {
        "num_keep": 4, "seed": 1, "num_predict": 3, "top_k": 20, "top_p": 0.9, "min_p": 0.0, "typical_p": 0.7,
        "repeat_last_n": 33, "temperature": 0.8, "repeat_penalty": 1.2, "presence_penalty": 1.5, "frequency_penalty": 1.0,
        "stop": ["\n", "user:"], "num_ctx": 512, "num_batch": 2, "num_gpu": 1, "main_gpu": 0, "use_mmap": True, "num_thread": 8,
    }
    assert chat(address, options=options).eval_count <= 3


def test_wrong_options(address):
    for wrong in [{"temperature": "hot"}, {"num_ctx": "x"}, {"top_p": 3}, {"stop": 5}]:
        refused(400, lambda: Client(address)._request_raw("POST", "/api/chat", json={"model": MODEL, "messages": QUESTION, "options": wrong}))


def test_stop_in_a_stream(address):
    text = "".join(part.message.content for part in chat(address, options={**STILL, "stop": ["small"]}, stream=True))
    assert text.endswith("the ")


def test_cancel_in_the_middle(address):
    stream = chat(address, options={"num_predict": 400}, stream=True)
    next(stream)
    stream.close()
    assert chat(address).message.content


def test_format_json(address):
    answer = chat(address, format="json", options={"temperature": 0, "num_predict": 200})
    if answer.done_reason == "stop":
        assert isinstance(json.loads(answer.message.content), dict)


def test_format_stream(address):
    text = "".join(part.message.content for part in chat(address, format=YES, stream=True))
    assert isinstance(json.loads(text)["yes"], bool)


def test_format_of_generate(address):
    answer = Client(address).generate(MODEL, "Yes?", format=YES, options=STILL)
    assert isinstance(json.loads(answer.response)["yes"], bool)


def test_format_wrong(address):
    refused(400, lambda: Client(address)._request_raw("POST", "/api/chat", json={"model": MODEL, "messages": QUESTION, "format": {"type": "nonsense"}}))
    refused(400, lambda: Client(address)._request_raw("POST", "/api/chat", json={"model": MODEL, "messages": QUESTION, "format": 5}))


def test_tools_as_dictionaries(address):
    parameters = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string", "maxLength": 20}}}
    tool = {"type": "function", "function": {"name": "get_weather", "description": "Weather in a city", "parameters": parameters}}
    answer = chat(address, WEATHER, tools=[tool], options={"temperature": 0, "num_predict": 80})
    assert isinstance(answer.message.tool_calls[0].function.arguments, dict)


def test_several_tools(address):
    def get_time(city: str) -> str:
        """Time in a city

        Args:
            city: The city
        """
        return city

    answer = chat(address, WEATHER, tools=[get_weather, get_time], options={"temperature": 0, "num_predict": 80})
    assert answer.message.tool_calls[0].function.name in ["get_weather", "get_time"]


def test_logprobs(address):
    answer = chat(address, logprobs=True, top_logprobs=2, options={**STILL, "num_predict": 3})
    assert len(answer.logprobs) == 3 and all(len(entry.top_logprobs) == 2 for entry in answer.logprobs)
    assert "".join(entry.token for entry in answer.logprobs) == answer.message.content


def test_think_false_is_taken(address):
    assert chat(address, think=False).message.thinking is None


def test_generate_parts(address):
    answer = Client(address).generate(MODEL, "Who are you?", options=STILL)
    assert answer.model == MODEL and answer.done and answer.total_duration >= answer.eval_duration


def test_generate_async_many(address):
    answers = [Client(address).generate(MODEL, text, options=STILL).response for text in ["Who are you?", "What can you do?"]]
    assert answers[0] != answers[1]


def test_embed_one_and_many(address):
    client = Client(address)
    one = client.embed(MODEL, "a cat")
    assert len(one.embeddings) == 1 and one.model == MODEL and one.prompt_eval_count > 0 and one.total_duration > 0
    assert len(client.embed(MODEL, ["a", "b", "c"]).embeddings) == 3


def test_embed_dimensions(address):
    vector = Client(address).embed(MODEL, "a cat", dimensions=8).embeddings[0]
    assert len(vector) == 8 and abs(sum(x * x for x in vector) - 1) < 1e-3


def test_embed_too_long(address):
    refused(400, lambda: Client(address).embed(MODEL, "word " * 3000, truncate=False))
    assert Client(address).embed(MODEL, "word " * 3000, truncate=True).embeddings


def test_show(address):
    shown = Client(address).show(MODEL)
    assert shown.details.format == "gguf" and shown.details.family and shown.details.parameter_size
    assert shown.modelinfo["general.parameter_count"] > 1_000_000 and shown.template
    refused(404, lambda: Client(address).show("none"))


def test_list_has_details(address):
    entry = [model for model in Client(address).list().models if model.model == MODEL][0]
    assert entry.size > 0 and entry.digest and entry.modified_at and entry.details.format == "gguf"


def test_ps_has_an_end(address):
    client = Client(address)
    client.generate(MODEL, keep_alive="10m")
    entry = client.ps().models[0]
    assert entry.model == MODEL and entry.expires_at and entry.size > 0


def test_keep_alive_forms(address):
    client = Client(address)
    for keep in ["5m", 60, -1, "1h30m"]:
        assert client.generate(MODEL, keep_alive=keep).done_reason == "load"
    refused(400, lambda: client.generate(MODEL, keep_alive="five minutes"))


def test_chat_loads_too(address):
    assert Client(address).chat(MODEL, [], keep_alive="1m").done_reason == "load"


def test_error_text(address):
    error = refused(404, lambda: Client(address).generate("none", "x"))
    assert "none" in error.error


def test_embed_errors(address):
    refused(404, lambda: Client(address).embed("none", "x"))


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
