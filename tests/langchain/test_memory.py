"""The chain memory, in the chains people have."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import pytest
from langchain_classic.chains import ConversationalRetrievalChain, ConversationChain, LLMChain
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_omnimemory import OmniMemoryChatMemory, OmniMemoryRetriever
from pydantic import ValidationError

from omnimemory import OmniMemorySDK, SyncOmniMemorySDK
from omnimemory.core.errors import InvalidRequest

from .chat import APP, USER, ScriptedChat, turns

TOLD = "I moved from Lisbon to Porto in May."
ASKED = "Which city did I move to?"
MARK = "<omnimemory-recall>"

pytestmark = pytest.mark.filterwarnings("ignore:.*was deprecated in LangChain")


def memory(sdk: OmniMemorySDK, session_id: str = "s", **options: Any) -> OmniMemoryChatMemory:
    return OmniMemoryChatMemory(app_id=APP, user_id=USER, session_id=session_id, memory=sdk, **options)


def prompt_text(model: ScriptedChat, number: int = -1) -> str:
    return "\n".join(str(message.text) for message in model.prompts[number])


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_conversation_chain_recalls_another_session(asynchronous: bool, sdk: OmniMemorySDK) -> None:
    model = ScriptedChat()
    for session, text in (("a", TOLD), ("b", ASKED)):
        chain = ConversationChain(llm=model, memory=memory(sdk, session))
        answer = await chain.ainvoke({"input": text}) if asynchronous else chain.invoke({"input": text})
        assert answer["response"] == "Noted."
    assert MARK not in prompt_text(model, 0)
    assert TOLD in prompt_text(model, 1)
    assert turns(sdk, session_id="b") == [("user", ASKED), ("assistant", "Noted.")]


def test_the_window_holds_the_last_messages_with_the_prefixes_asked_for(sdk: OmniMemorySDK) -> None:
    ours = memory(sdk, window=2, human_prefix="Ana", ai_prefix="Bot", recall=False, memory_key="chat")
    for number in range(3):
        ours.save_context({"input": f"question {number}"}, {"output": f"answer {number}"})
    assert ours.load_memory_variables({}) == {"chat": "Ana: question 2\nBot: answer 2"}
    assert ours.memory_variables == ["chat"]


def test_messages_come_with_what_is_recalled_first_and_nothing_twice(sdk: OmniMemorySDK) -> None:
    memory(sdk, "a").save_context({"input": TOLD}, {"output": "Noted."})
    ours = memory(sdk, "b", return_messages=True)
    ours.save_context({"input": "Hello."}, {"output": "Hi."})
    system, human, ai = ours.load_memory_variables({"input": ASKED})["history"]
    assert isinstance(system, SystemMessage)
    assert TOLD in system.text
    assert "Hello." not in system.text
    assert (human, ai) == (HumanMessage("Hello."), AIMessage("Hi."))


def test_nothing_found_adds_nothing(sdk: OmniMemorySDK) -> None:
    assert memory(sdk).load_memory_variables({"input": ASKED}) == {"history": ""}
    assert memory(sdk, return_messages=True).load_memory_variables({"input": ASKED}) == {"history": []}


def test_an_lcel_chain(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat()
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{input}")])
    for session, text in (("a", TOLD), ("b", ASKED)):
        ours = memory(sdk, session, return_messages=True)
        loaded = RunnableLambda(ours.load_memory_variables) | itemgetter("history")
        chain: Any = RunnablePassthrough.assign(history=loaded) | prompt | model
        ours.save_context({"input": text}, {"output": chain.invoke({"input": text})})
    assert TOLD in prompt_text(model)
    assert len(turns(sdk)) == 4


def test_the_user_may_come_from_the_config_of_the_chain(sdk: OmniMemorySDK) -> None:
    ours = OmniMemoryChatMemory(app_id=APP, memory=sdk)
    save: Any = RunnableLambda(lambda text: ours.save_context({"input": text}, {"output": "ok"}))
    save.invoke("hello", {"configurable": {"user_id": "ben", "thread_id": 7}})
    assert turns(sdk, user_id="ben", session_id="7") == [("user", "hello"), ("assistant", "ok")]


def test_a_chain_with_several_inputs_needs_an_input_key_unless_one_has_a_usual_name(
    sdk: OmniMemorySDK,
) -> None:
    template = PromptTemplate.from_template("{history} {tone} {input}")
    model = ScriptedChat()
    LLMChain(llm=model, prompt=template, memory=memory(sdk)).invoke({"input": "hello", "tone": "warm"})
    assert turns(sdk)[0] == ("user", "hello")
    odd = PromptTemplate.from_template("{history} {tone} {subject}")
    with pytest.raises(InvalidRequest, match="Set input_key to one of: 'subject', 'tone'"):
        LLMChain(llm=model, prompt=odd, memory=memory(sdk)).invoke({"subject": "hello", "tone": "warm"})
    named = memory(sdk, "named", input_key="subject")
    LLMChain(llm=model, prompt=odd, memory=named).invoke({"subject": "cats", "tone": "warm"})
    assert turns(sdk, session_id="named")[0] == ("user", "cats")


def test_a_chain_with_several_outputs(sdk: OmniMemorySDK) -> None:
    memory(sdk, "a").save_context({"input": TOLD}, {"output": "Noted."})
    model = ScriptedChat(replies=["To Porto."])
    chain = ConversationalRetrievalChain.from_llm(
        model,
        OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk),
        memory=memory(sdk, "b", memory_key="chat_history", return_messages=True, recall=False),
        return_source_documents=True,
    )
    answer = chain.invoke({"question": ASKED})
    assert answer["source_documents"][0].page_content == TOLD
    assert turns(sdk, session_id="b") == [("user", ASKED), ("assistant", "To Porto.")]
    with pytest.raises(InvalidRequest, match="Set output_key to one of: 'left', 'right'"):
        memory(sdk).save_context({"input": "x"}, {"left": "1", "right": "2"})
    with pytest.raises(InvalidRequest, match="output_key is 'answer'"):
        memory(sdk, output_key="answer").save_context({"input": "x"}, {"left": "1"})


def test_values_may_be_messages_lists_or_blocks_and_nothing_else(sdk: OmniMemorySDK) -> None:
    ours = memory(sdk)
    ours.save_context({"input": HumanMessage("one")}, {"output": [AIMessage("two")]})
    ours.save_context({"input": [{"type": "text", "text": "three"}]}, {"output": "four"})
    assert [text for _, text in turns(sdk)] == ["one", "two", "three", "four"]
    refused: list[Any] = [{"a": 1}, 7, None, []]
    for wrong in refused:
        with pytest.raises(InvalidRequest, match="'output' is a"):
            ours.save_context({"input": "x"}, {"output": wrong})
    assert len(turns(sdk)) == 4, "nothing of a refused exchange is stored"


def test_empty_texts_are_kept_in_the_session_and_not_remembered(sdk: OmniMemorySDK) -> None:
    ours = memory(sdk, return_messages=True)
    ours.save_context({"input": ""}, {"output": "Are you there?"})
    assert len(ours.load_memory_variables({})["history"]) == 2
    assert turns(sdk) == [("assistant", "Are you there?")]


def test_clear_empties_the_session_and_forgets_nothing(sdk: OmniMemorySDK) -> None:
    ours = memory(sdk)
    ours.save_context({"input": TOLD}, {"output": "Noted."})
    ours.clear()
    assert ours.chat_memory.messages == []
    assert TOLD in ours.load_memory_variables({"input": ASKED})["history"]
    assert SyncOmniMemorySDK(sdk).recall(APP, ASKED, USER).memories


def test_over_twenty_rounds_nothing_recalled_is_recorded(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat(replies=[f"Answer {number}." for number in range(20)])
    for number in range(20):
        chain = ConversationChain(llm=model, memory=memory(sdk, f"s{number}"))
        chain.invoke({"input": f"Round {number}: the harbour of Porto again."})
    assert MARK in prompt_text(model)
    kept = turns(sdk)
    assert len(kept) == len(set(kept)) == 40
    assert not any(MARK in text for _, text in kept)


def test_wrong_settings_fail_where_they_are_written() -> None:
    refused: list[dict[str, Any]] = [{"app_id": ""}, {"app_id": APP, "k": 0}, {"app_id": APP, "window": 0}]
    for wrong in refused:
        with pytest.raises(ValidationError):
            OmniMemoryChatMemory(**wrong)


def test_a_dump_holds_no_engine(sdk: OmniMemorySDK) -> None:
    assert "memory" not in memory(sdk).model_dump()
    assert "OmniMemorySDK" not in repr(memory(sdk))
