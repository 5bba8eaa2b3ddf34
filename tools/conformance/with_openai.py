"""The official client of OpenAI."""

import json

import openai
from openai import OpenAI
from pydantic import BaseModel

MODEL = "ember"
QUESTION = [{"role": "user", "content": "Who are you?"}]
WEATHER = [{"role": "user", "content": "What is the weather in Oslo?"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather in a city", "parameters": PARAMETERS, "strict": True},
}
FLAT_TOOL = {"type": "function", "name": "get_weather", "description": "Weather in a city", "parameters": PARAMETERS, "strict": True}


class Person(BaseModel):
    name: str
    age: int


def client(address):
    return OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def test_models(address):
    ids = [model.id for model in client(address).models.list()]
    assert MODEL in ids, ids
    assert client(address).models.retrieve(MODEL).owned_by == "hob"


def test_chat(address):
    answer = client(address).chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=40)
    assert "Ember" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details.cached_tokens >= 0


def test_chat_stream(address):
    create = client(address).chat.completions.create
    whole = create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=40).choices[0].message.content
    chunks = list(
        create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=40, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole
    assert chunks[-1].usage.completion_tokens > 0 and not chunks[-1].choices
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


def test_chat_stream_helper(address):
    with client(address).chat.completions.stream(model=MODEL, messages=QUESTION, temperature=0, max_tokens=40) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds, kinds
    assert "Ember" in final.choices[0].message.content


def test_stop_and_length(address):
    create = client(address).chat.completions.create
    stopped = create(model=MODEL, messages=QUESTION, temperature=0, stop=["small"]).choices[0]
    assert stopped.finish_reason == "stop" and stopped.message.content.endswith("the ")
    short = create(model=MODEL, messages=QUESTION, max_completion_tokens=2)
    assert short.choices[0].finish_reason == "length" and short.usage.completion_tokens == 2


def test_choices_and_seed(address):
    def texts():
        answer = client(address).chat.completions.create(
            model=MODEL, messages=QUESTION, n=3, seed=5, temperature=1.5, max_tokens=10
        )
        return [choice.message.content for choice in answer.choices]

    assert len(texts()) == 3 and texts() == texts()


def test_logprobs(address):
    answer = client(address).chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=5, logprobs=True, top_logprobs=3
    )
    content = answer.choices[0].logprobs.content
    assert len(content) == 5 and all(len(token.top_logprobs) == 3 for token in content)
    assert "".join(token.token for token in content) == answer.choices[0].message.content


def test_json_object(address):
    answer = client(address).chat.completions.create(
        model=MODEL, messages=QUESTION, response_format={"type": "json_object"}, temperature=0, max_tokens=100
    )
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_parsed_schema(address):
    class Short(BaseModel):
        yes: bool

    answer = client(address).chat.completions.parse(model=MODEL, messages=QUESTION, response_format=Short, max_tokens=100)
    assert isinstance(answer.choices[0].message.parsed, Short)


def test_tools(address):
    for choice in ["required", {"type": "function", "function": {"name": "get_weather"}}, "auto"]:
        answer = client(address).chat.completions.create(
            model=MODEL, messages=WEATHER, tools=[TOOL], tool_choice=choice, temperature=0, max_tokens=80
        )
        call = answer.choices[0].message.tool_calls[0]
        assert answer.choices[0].finish_reason == "tool_calls"
        assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments)
    none = client(address).chat.completions.create(
        model=MODEL, messages=WEATHER, tools=[TOOL], tool_choice="none", temperature=0, max_tokens=20
    )
    assert not none.choices[0].message.tool_calls


def test_tools_stream(address):
    with client(address).chat.completions.stream(
        model=MODEL, messages=WEATHER, tools=[TOOL], tool_choice="required", temperature=0, max_tokens=80
    ) as stream:
        kinds = [event.type for event in stream]
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert "tool_calls.function.arguments.done" in kinds
    assert "city" in call.function.parsed_arguments


def test_tool_round(address):
    create = client(address).chat.completions.create
    first = create(model=MODEL, messages=WEATHER, tools=[TOOL], tool_choice="required", temperature=0, max_tokens=80)
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}
    second = create(model=MODEL, messages=[*WEATHER, message, result], tools=[TOOL], temperature=0, max_tokens=20)
    assert second.usage.prompt_tokens > first.usage.prompt_tokens


def test_completions(address):
    create = client(address).completions.create
    one = create(model=MODEL, prompt="Once upon a time", max_tokens=8, temperature=0, logprobs=2, echo=True)
    assert one.choices[0].text.startswith("Once upon a time") and len(one.choices[0].logprobs.tokens) == 8
    streamed = create(model=MODEL, prompt="Once upon a time", max_tokens=8, temperature=0, echo=True, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == one.choices[0].text
    assert len(create(model=MODEL, prompt=["One", "Two"], max_tokens=2).choices) == 2


def test_embeddings(address):
    create = client(address).embeddings.create
    # The client asks for base 64 unless told otherwise.
    coded = create(model=MODEL, input=["a cat", "a dog"])
    plain = create(model=MODEL, input=["a cat", "a dog"], encoding_format="float")
    assert len(coded.data) == 2 and abs(sum(x * x for x in coded.data[0].embedding) - 1) < 1e-3
    assert all(abs(a - b) < 1e-6 for a, b in zip(coded.data[1].embedding, plain.data[1].embedding))
    assert len(create(model=MODEL, input="a", dimensions=8).data[0].embedding) == 8


def test_errors(address):
    create = client(address).chat.completions.create
    missing = refused(openai.NotFoundError, lambda: create(model="none", messages=QUESTION))
    assert missing.code == "model_not_found"
    hot = refused(openai.BadRequestError, lambda: create(model=MODEL, messages=QUESTION, temperature=9))
    assert hot.param == "temperature"
    long = [{"role": "user", "content": "word " * 3000}]
    assert refused(openai.BadRequestError, lambda: create(model=MODEL, messages=long)).code == "context_length_exceeded"
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]
    refused(openai.BadRequestError, lambda: create(model=MODEL, messages=image))


def test_extensions(address):
    answer = client(address).chat.completions.create(
        model=MODEL, messages=QUESTION, extra_body={"options": {"num_predict": 3, "temperature": 0}, "keep_alive": "1m", "num_ctx": 256}
    )
    assert answer.usage.completion_tokens == 3


def test_responses(address):
    create = client(address).responses.create
    first = create(model=MODEL, input="Who are you?", temperature=0, max_output_tokens=40)
    assert first.status == "completed" and "Ember" in first.output_text
    second = create(model=MODEL, input="What can you do?", previous_response_id=first.id, max_output_tokens=20)
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client(address).responses.retrieve(first.id).id == first.id
    assert len(client(address).responses.input_items.list(second.id).data) == 3
    client(address).responses.delete(first.id)
    refused(openai.NotFoundError, lambda: client(address).responses.retrieve(first.id))


def test_responses_stream(address):
    with client(address).responses.stream(model=MODEL, input="Who are you?", temperature=0, max_output_tokens=40) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == sorted(event.sequence_number for event in events)
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == final.output_text


def test_responses_tools_and_schema(address):
    answer = client(address).responses.create(
        model=MODEL, input="What is the weather in Oslo?", tools=[FLAT_TOOL], tool_choice="required", max_output_tokens=80
    )
    call = answer.output[0]
    assert call.type == "function_call" and "city" in json.loads(call.arguments)

    class Short(BaseModel):
        yes: bool

    parsed = client(address).responses.parse(model=MODEL, input="Yes?", text_format=Short, max_output_tokens=60)
    assert isinstance(parsed.output_parsed, Short)
