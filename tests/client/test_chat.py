"""
Conversations and whole answers.
"""

import asyncio

import pytest

from outcrop.client import ChatFailed, Client, Usage
from tests.client.conftest import QUICK, ScriptedGateway, failed_parts, text_parts


async def test_a_whole_answer_has_its_figures(gateway: ScriptedGateway) -> None:
    """
    Text, parts, usage, times and cost are those that the gateway told.
    """
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        whole = await client.chat(model="llama3").send("Hi").whole()
    assert (whole.text, whole.stop_reason, whole.turn_id) == ("Hello world", "end_turn", "turn-1")
    assert whole.usage == Usage(input_tokens=3, output_tokens=2)
    assert (whole.ttft_ms, whole.duration_ms, whole.cost_usd) == (12.5, 40, 0.001)
    assert (whole.model, whole.region, len(whole.parts)) == ("llama3", "us-east-1", 1)


async def test_foreign_metadata_is_no_failure(gateway: ScriptedGateway) -> None:
    """
    Metadata of other types is left out, and the answer stays whole.
    """
    gateway.answers[0][-1] = {"type": "finish", "finishReason": "stop", "messageMetadata": {"turnId": 7}}
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        whole = await client.chat(model="llama3").send("Hi").whole()
    assert (whole.text, whole.turn_id, whole.stop_reason) == ("Hello world", None, "stop")


async def test_what_was_said_goes_out_with_each_prompt(gateway: ScriptedGateway) -> None:
    """
    The second prompt carries the first one and its answer; parameters go out where they are given.
    """
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        chat = client.chat(model="llama3", system="Be brief", max_tokens=5, temperature=0.5, stop=["x"])
        await chat.send("one").whole()
        await chat.send("two").whole()
        kept = chat.messages
    sent = gateway.received[-1]
    said = [(message["role"], message["parts"][0]["text"]) for message in sent["messages"]]
    assert said == [("user", "one"), ("assistant", "Hello world"), ("user", "two")]
    assert sent["body"] == {
        "model": "llama3", "system": "Be brief", "maxTokens": 5, "temperature": 0.5, "stop": ["x"]
    }  # fmt: skip
    assert [message["role"] for message in kept] == ["user", "assistant"] * 2


async def test_a_kept_conversation_goes_on(gateway: ScriptedGateway) -> None:
    """
    Messages and ID of an earlier chat make a later one its continuation.
    """
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        first = client.chat(model="llama3")
        await first.send("one").whole()
        second = client.chat(model="llama3", chat_id=first.chat_id, messages=first.messages)
        await second.send("two").whole()
    assert gateway.received[1]["id"] == gateway.received[0]["id"]
    assert len(gateway.received[1]["messages"]) == 3


async def test_regenerate_asks_for_another_answer(gateway: ScriptedGateway) -> None:
    """
    The last answer is named and not sent; the new one takes its place.
    """
    gateway.answers.append(text_parts("Other", message_id="answer-2"))
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        chat = client.chat(model="llama3")
        with pytest.raises(ChatFailed, match="no answer"):
            chat.regenerate()
        await chat.send("one").whole()
        assert (await chat.regenerate().whole()).text == "Other"
        texts = [message["parts"][0]["text"] for message in chat.messages]
    sent = gateway.received[1]
    assert (sent["trigger"], sent["messageId"], len(sent["messages"])) == ("regenerate-message", "answer-1", 1)
    assert texts == ["one", "Other"]


async def test_a_failed_answer_leaves_the_conversation_as_it_was(gateway: ScriptedGateway) -> None:
    """
    Neither the prompt nor what came of its answer stays.
    """
    gateway.answers.append(failed_parts("Hal"))
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        chat = client.chat(model="llama3")
        await chat.send("one").whole()
        with pytest.raises(ChatFailed):
            await chat.send("two").whole()
        assert len(chat.messages) == 2


async def test_one_answer_runs_at_a_time(gateway: ScriptedGateway) -> None:
    """
    A second prompt is refused while the first one's answer runs; a stopped answer is part of the conversation.
    """
    gateway.hold_at = 4
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        chat = client.chat(model="llama3")
        answer = chat.send("one")
        with pytest.raises(ChatFailed) as caught:
            chat.send("two")
        assert caught.value.code == "already_active"
        assert not chat.messages
        await answer.stop()
        await answer.whole()
        assert [message["parts"][0]["text"] for message in chat.messages] == ["one", "Hello"]
