"""The official client of OpenAI."""

import asyncio
import json

import openai
from openai import AsyncOpenAI, OpenAI
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


def chat(address, **more):
    request = {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 40, **more}
    return client(address).chat.completions.create(**request)


def format_of(schema, name="answer"):
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


YES = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"], "additionalProperties": False}


def test_async_client(address):
    async def ask():
        async with AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as asking:
            answers = [asking.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=20) for _ in range(4)]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*answers)]

    assert len(set(asyncio.run(ask()))) == 1


def test_roles(address):
    with_system = chat(address, messages=[{"role": "system", "content": "Be kind."}, *QUESTION])
    with_developer = chat(address, messages=[{"role": "developer", "content": "Be kind."}, *QUESTION])
    assert with_system.usage.prompt_tokens > chat(address).usage.prompt_tokens
    assert with_developer.choices[0].message.content


def test_content_parts(address):
    parts = [{"role": "user", "content": [{"type": "text", "text": "Who are "}, {"type": "text", "text": "you?"}]}]
    assert chat(address, messages=parts).choices[0].message.role == "assistant"


def test_conversation_goes_on(address):
    first = chat(address).choices[0].message
    second = chat(address, messages=[*QUESTION, first, {"role": "user", "content": "Thanks."}])
    assert second.usage.prompt_tokens > chat(address).usage.prompt_tokens
    assert second.usage.prompt_tokens_details.cached_tokens > 0


def test_parts_of_an_answer(address):
    answer = chat(address)
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-") and answer.created > 1_600_000_000
    assert answer.model == MODEL and answer.system_fingerprint.startswith("hob-")
    message = answer.choices[0].message
    assert message.refusal is None and message.annotations == [] and not message.tool_calls


def test_chunks_belong_together(address):
    chunks = list(chat(address, stream=True))
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[0].object == "chat.completion.chunk"
    assert all(chunk.usage is None for chunk in chunks)


def test_stream_of_choices(address):
    chunks = list(chat(address, n=2, stream=True, seed=3, temperature=1))
    ends = [chunk.choices[0].index for chunk in chunks if chunk.choices[0].finish_reason]
    assert sorted(ends) == [0, 1]


def test_cancel_in_the_middle(address):
    stream = chat(address, stream=True, max_tokens=400, logit_bias={"0": -1})
    next(iter(stream))
    stream.close()
    assert chat(address).choices[0].message.content


def test_stops_in_a_list_and_stream(address):
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chat(address, stop=["zzz", "small"], stream=True))
    assert text.endswith("the ") and "small" not in text


def test_logit_bias(address):
    token = chat(address, logprobs=True, max_tokens=1).choices[0].logprobs.content[0]
    first = client(address).completions.create(model=MODEL, prompt="One", max_tokens=1, temperature=0)
    biased = client(address).completions.create(model=MODEL, prompt="One", max_tokens=1, temperature=0, logit_bias={"65": 100})
    assert token.bytes and first.choices[0].text != biased.choices[0].text


def test_penalties_are_taken(address):
    assert chat(address, presence_penalty=0.5, frequency_penalty=0.5, top_p=0.9, user="someone").choices


def test_logprobs_stream(address):
    chunks = list(chat(address, stream=True, max_tokens=5, logprobs=True, top_logprobs=2))
    entries = [entry for chunk in chunks if chunk.choices[0].logprobs for entry in chunk.choices[0].logprobs.content]
    assert len(entries) == 5 and all(len(entry.top_logprobs) == 2 and entry.logprob <= 0 for entry in entries)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "".join(entry.token for entry in entries) == text


def test_schema_stream(address):
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chat(address, response_format=format_of(YES), stream=True, max_tokens=60))
    assert isinstance(json.loads(text)["yes"], bool)


def test_schema_with_tools(address):
    answer = chat(address, response_format=format_of(YES), tools=[TOOL], tool_choice="auto", max_tokens=80).choices[0]
    if answer.message.tool_calls:
        assert "city" in json.loads(answer.message.tool_calls[0].function.arguments)
    else:
        assert isinstance(json.loads(answer.message.content)["yes"], bool)


def test_schema_with_references(address):
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["cat", "dog"]}, "ages": {"type": "array", "items": {"$ref": "#/$defs/age"}, "minItems": 1, "maxItems": 2}},
        "required": ["kind", "ages"],
        "additionalProperties": False,
        "$defs": {"age": {"type": "integer", "minimum": 1, "maximum": 9}},
    }
    found = json.loads(chat(address, response_format=format_of(schema), max_tokens=80).choices[0].message.content)
    assert found["kind"] in ["cat", "dog"] and all(1 <= age <= 9 for age in found["ages"])


def test_schema_that_cannot_be_kept_is_refused(address):
    error = refused(openai.BadRequestError, lambda: chat(address, response_format=format_of({"type": "nonsense"})))
    assert error.type == "invalid_request_error" and error.param


def test_parallel_calls(address):
    both = [TOOL, {**TOOL, "function": {**TOOL["function"], "name": "get_time"}}]
    one = chat(address, messages=WEATHER, tools=both, tool_choice="required", parallel_tool_calls=False, max_tokens=100)
    assert len(one.choices[0].message.tool_calls) == 1
    many = chat(address, messages=WEATHER, tools=both, tool_choice="required", parallel_tool_calls=True, max_tokens=200)
    calls = many.choices[0].message.tool_calls
    assert calls and len({call.id for call in calls}) == len(calls)


def test_allowed_tools(address):
    other = {**TOOL, "function": {**TOOL["function"], "name": "get_time"}}
    allowed = {"type": "function", "function": {"name": "get_time"}}
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [allowed]}}
    answer = chat(address, messages=WEATHER, tools=[TOOL, other], tool_choice=choice, max_tokens=100)
    assert answer.choices[0].message.tool_calls[0].function.name == "get_time"


def test_tool_stream_by_hand(address):
    chunks = list(chat(address, messages=WEATHER, tools=[TOOL], tool_choice="required", stream=True, max_tokens=80))
    deltas = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert deltas[0].function.name == "get_weather" and deltas[0].id and all(delta.index == 0 for delta in deltas)
    assert "city" in json.loads("".join(delta.function.arguments or "" for delta in deltas))
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_old_functions(address):
    answer = chat(address, messages=WEATHER, functions=[TOOL["function"]], function_call={"name": "get_weather"}, max_tokens=80)
    call = answer.choices[0].message.function_call
    assert answer.choices[0].finish_reason == "function_call"
    assert call.name == "get_weather" and "city" in json.loads(call.arguments)


def test_reasoning_effort_is_taken(address):
    assert chat(address, reasoning_effort="none").choices[0].message.content


def test_metadata_is_taken(address):
    answer = chat(address, metadata={"a": "b"}, store=False, service_tier="auto", safety_identifier="x", prompt_cache_key="y", verbosity="low")
    assert answer.choices


def test_completion_of_tokens(address):
    create = client(address).completions.create
    answer = create(model=MODEL, prompt=[1, 2, 3], max_tokens=3)
    assert answer.usage.prompt_tokens == 3 and answer.object == "text_completion"
    assert len(create(model=MODEL, prompt=[[1, 2], [3]], max_tokens=2, n=2).choices) == 4


def test_completion_stream_usage(address):
    create = client(address).completions.create
    chunks = list(create(model=MODEL, prompt="Once", max_tokens=4, temperature=0, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens == 4 and not chunks[-1].choices
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"


def test_completion_stop(address):
    whole = client(address).completions.create(model=MODEL, prompt="Once upon a time", max_tokens=20, temperature=0).choices[0].text
    word = whole.split()[2]
    cut = client(address).completions.create(model=MODEL, prompt="Once upon a time", max_tokens=20, temperature=0, stop=word).choices[0]
    assert cut.finish_reason == "stop" and word not in cut.text


def test_embeddings_of_tokens(address):
    create = client(address).embeddings.create
    one = create(model=MODEL, input=[1, 2, 3], encoding_format="float")
    assert len(one.data) == 1 and one.usage.prompt_tokens == 3
    many = create(model=MODEL, input=[[1, 2], [3]], encoding_format="base64")
    assert [item.index for item in many.data] == [0, 1] and isinstance(many.data[0].embedding[0], (float, str))


def test_embedding_errors(address):
    create = client(address).embeddings.create
    refused(openai.BadRequestError, lambda: create(model=MODEL, input=[]))
    refused(openai.BadRequestError, lambda: create(model=MODEL, input="a", dimensions=1 << 19))
    refused(openai.NotFoundError, lambda: create(model="none", input="a"))


def test_error_classes(address):
    for wrong in [{"max_tokens": 0}, {"n": 100}, {"top_p": 2}, {"stop": [1]}, {"tools": [{}]}, {"tool_choice": "required"}, {"messages": []}]:
        error = refused(openai.BadRequestError, lambda: chat(address, **wrong))
        assert error.param, wrong
    refused(openai.NotFoundError, lambda: client(address).models.retrieve("none"))
    refused(openai.NotFoundError, lambda: client(address).get("/nothing", cast_to=object))


def test_error_has_a_request_id(address):
    assert refused(openai.NotFoundError, lambda: chat(address, model="none")).request_id


def test_raw_response(address):
    raw = client(address).chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION, max_tokens=2)
    assert raw.headers["x-request-id"] and raw.parse().choices


def responses(address, **more):
    return client(address).responses.create(**{"model": MODEL, "input": "Who are you?", "temperature": 0, "max_output_tokens": 40, **more})


def test_responses_parts(address):
    answer = responses(address, instructions="Be kind.", metadata={"a": "b"})
    assert answer.object == "response" and answer.metadata == {"a": "b"} and answer.instructions == "Be kind."
    assert answer.output[0].type == "message" and answer.output[0].content[0].type == "output_text"
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.usage.output_tokens_details.reasoning_tokens == 0 and answer.error is None


def test_responses_cut_off(address):
    answer = responses(address, max_output_tokens=2)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"


def test_responses_tool_round(address):
    asked = {"role": "user", "content": "What is the weather in Oslo?"}
    first = responses(address, input=[asked], tools=[FLAT_TOOL], tool_choice="required", max_output_tokens=80)
    output = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "rain"}
    second = responses(address, input=[output], previous_response_id=first.id, tools=[FLAT_TOOL])
    assert second.previous_response_id == first.id and second.usage.input_tokens > first.usage.input_tokens
    by_hand = responses(address, input=[asked, first.output[0], output], tools=[FLAT_TOOL])
    assert by_hand.usage.input_tokens == second.usage.input_tokens


def test_responses_tool_stream(address):
    events = list(responses(address, input="What is the weather in Oslo?", tools=[FLAT_TOOL], tool_choice="required", stream=True, max_output_tokens=80))
    arguments = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert done[0].arguments == arguments and "city" in json.loads(arguments)
    assert events[0].type == "response.created" and events[-1].type == "response.completed"


def test_responses_not_stored(address):
    answer = responses(address, store=False)
    refused(openai.NotFoundError, lambda: client(address).responses.retrieve(answer.id))
    refused(openai.NotFoundError, lambda: responses(address, previous_response_id=answer.id))


def test_responses_streamed_are_stored(address):
    final = list(responses(address, stream=True))[-1].response
    assert client(address).responses.retrieve(final.id).output_text == final.output_text


def test_responses_logprobs(address):
    answer = responses(address, include=["message.output_text.logprobs"], top_logprobs=2, max_output_tokens=3)
    assert len(answer.output[0].content[0].logprobs) == 3


def test_responses_input_tokens(address):
    counted = client(address).responses.input_tokens.count(model=MODEL, input="Who are you?")
    assert counted.input_tokens == responses(address).usage.input_tokens


def test_responses_errors(address):
    refused(openai.NotFoundError, lambda: responses(address, model="none"))
    refused(openai.BadRequestError, lambda: responses(address, background=True))
    refused(openai.BadRequestError, lambda: responses(address, tools=[{"type": "web_search"}]))
    refused(openai.NotFoundError, lambda: client(address).responses.delete("resp_none"))
