"""litellm, which speaks to a server as any of three providers."""

import asyncio
import json
import os

# Its table of prices is part of the package; asking for a newer one would leave this machine.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

QUESTION = [{"role": "user", "content": "Who are you?"}]
WEATHER = [{"role": "user", "content": "What is the weather in Oslo?"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather in a city", "parameters": PARAMETERS}}
YES = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": YES}}


def ways(address):
    """The same model through each interface."""
    return {
        "openai/ember": {"api_base": f"{address}/v1", "api_key": "none"},
        "anthropic/ember": {"api_base": address, "api_key": "none"},
        "ollama_chat/ember": {"api_base": address},
    }


def ask(address, model, messages=QUESTION, **more):
    request = {"max_tokens": 40, "temperature": 0, "num_retries": 0, **more}
    return litellm.completion(model=model, messages=messages, **ways(address)[model], **request)


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def each(check):
    """A test of every way."""

    def test(address):
        for model in ways(address):
            check(address, model)

    return test


def says_who_it_is(address, model):
    answer = ask(address, model)
    assert "Ember" in answer.choices[0].message.content, model
    assert answer.choices[0].finish_reason == "stop" and answer.usage.completion_tokens > 0


def streams_the_same(address, model):
    chunks = list(ask(address, model, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == ask(address, model).choices[0].message.content, model
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]


def streams_usage(address, model):
    chunks = list(ask(address, model, stream=True, stream_options={"include_usage": True}))
    assert [chunk.usage for chunk in chunks if getattr(chunk, "usage", None)][-1].completion_tokens > 0


def ends_at_its_limit(address, model):
    assert ask(address, model, max_tokens=2).choices[0].finish_reason == "length"


def stops(address, model):
    assert ask(address, model, stop=["small"]).choices[0].message.content.rstrip().endswith("the")


def hears_the_system(address, model):
    messages = [{"role": "system", "content": "Be kind."}, *QUESTION]
    assert ask(address, model, messages).usage.prompt_tokens > ask(address, model).usage.prompt_tokens


def calls_tools(address, model):
    answer = ask(address, model, WEATHER, tools=[TOOL], max_tokens=80)
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls" and call.function.name == "get_weather"
    assert "city" in json.loads(call.function.arguments)


def streams_tools(address, model):
    chunks = list(ask(address, model, WEATHER, tools=[TOOL], max_tokens=80, stream=True))
    whole = litellm.stream_chunk_builder(chunks)
    assert "city" in json.loads(whole.choices[0].message.tool_calls[0].function.arguments)


def takes_results(address, model):
    first = ask(address, model, WEATHER, tools=[TOOL], max_tokens=80).choices[0].message
    result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "name": "get_weather", "content": "rain"}
    assert ask(address, model, [*WEATHER, first, result], tools=[TOOL]).choices


def knows_no_other_model(address, model):
    way = ways(address)[model]
    other = model.split("/")[0] + "/none"
    refused(Exception, lambda: litellm.completion(model=other, messages=QUESTION, num_retries=0, **way))


test_text = each(says_who_it_is)
test_stream = each(streams_the_same)
test_stream_usage = each(streams_usage)
test_length = each(ends_at_its_limit)
test_stop = each(stops)
test_system = each(hears_the_system)
test_tools = each(calls_tools)
test_tools_stream = each(streams_tools)
test_tool_round = each(takes_results)
test_missing = each(knows_no_other_model)


def test_schema(address):
    for model in ["openai/ember", "ollama_chat/ember"]:
        answer = ask(address, model, response_format=FORMAT)
        assert isinstance(json.loads(answer.choices[0].message.content)["yes"], bool), model


def test_required_tool(address):
    for model in ["openai/ember", "anthropic/ember"]:
        answer = ask(address, model, tools=[TOOL], tool_choice="required", max_tokens=80)
        assert answer.choices[0].message.tool_calls, model


def test_choices(address):
    assert len(ask(address, "openai/ember", n=2, seed=1, temperature=1).choices) == 2


def test_async(address):
    model, way = "openai/ember", ways(address)["openai/ember"]

    async def ask_all():
        answers = [litellm.acompletion(model=model, messages=QUESTION, temperature=0, max_tokens=20, **way) for _ in range(3)]
        return [answer.choices[0].message.content for answer in await asyncio.gather(*answers)]

    assert len(set(asyncio.run(ask_all()))) == 1


def test_text_completion(address):
    answer = litellm.text_completion(model="text-completion-openai/ember", prompt="Once", max_tokens=4, api_base=f"{address}/v1", api_key="none")
    assert answer.choices[0].finish_reason == "length"


def test_embeddings(address):
    one = litellm.embedding(model="openai/ember", input=["a cat", "a dog"], api_base=f"{address}/v1", api_key="none", encoding_format="float")
    other = litellm.embedding(model="ollama/ember", input=["a cat", "a dog"], api_base=address)
    assert len(one.data) == len(other.data) == 2
    assert all(abs(a - b) < 1e-5 for a, b in zip(one.data[0]["embedding"], other.data[0]["embedding"]))


def test_responses(address):
    answer = litellm.responses(model="openai/ember", input="Who are you?", max_output_tokens=40, api_base=f"{address}/v1", api_key="none")
    assert answer.status == "completed" and answer.output


def test_errors(address):
    refused(litellm.NotFoundError, lambda: litellm.completion(model="openai/none", messages=QUESTION, num_retries=0, **ways(address)["openai/ember"]))
    long = [{"role": "user", "content": "word " * 3000}]
    refused(litellm.ContextWindowExceededError, lambda: ask(address, "openai/ember", long))
