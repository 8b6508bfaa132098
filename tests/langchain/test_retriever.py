"""The retriever: the framework's own suite, then what is ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_omnimemory import OmniMemoryRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError

from omnimemory import Message, OmniMemorySDK, SyncOmniMemorySDK, UserMessages
from omnimemory.core.errors import InvalidRequest, ScopeError

from .chat import APP, USER, ScriptedChat

FACTS = ("Ana lives in Porto.", "Ana lived in Lisbon before Porto.", "Porto has a harbour that Ana likes.")


@pytest.fixture(autouse=True)
def facts(sdk: OmniMemorySDK) -> None:
    for number, fact in enumerate(FACTS):
        keep(sdk, fact, session_id=f"s{number}", metadata={"topic": "travel" if number else "home"})
    keep(sdk, "Ben lives in Oslo.", user_id="ben")


def keep(sdk: OmniMemorySDK, text: str, *, user_id: str = USER, **more: Any) -> None:
    SyncOmniMemorySDK(sdk).ingest(
        UserMessages(app_id=APP, user_id=user_id, messages=[Message(role="user", content=text)], **more)
    )


def texts(documents: list[Document]) -> set[str]:
    return {document.page_content for document in documents}


class TestStandard(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[OmniMemoryRetriever]:
        return OmniMemoryRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"app_id": APP, "user_id": USER}

    @property
    def retriever_query_example(self) -> str:
        return "Where does Ana live, in Porto or Lisbon?"


def test_a_document_carries_the_memory_s_id_and_every_part_of_its_score(sdk: OmniMemorySDK) -> None:
    document = OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk).invoke("Where does Ana live?")[0]
    found = SyncOmniMemorySDK(sdk).get_memory(document.id or "", APP)
    assert found is not None
    assert document.page_content == found.text
    scores = {"composite_score", "relevance", "match", "similarity_score", "lexical_score"}
    assert scores | {"recency_score", "importance_score", "rank"} <= set(document.metadata)
    assert document.metadata["kind"] == "turn"
    assert document.metadata["session_id"] == found.session_id
    assert {"created_at", "occurred_at"} <= set(document.metadata)


def test_documents_come_best_first(sdk: OmniMemorySDK) -> None:
    found = OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk).invoke("Where does Ana live?")
    scores = [document.metadata["composite_score"] for document in found]
    assert scores == sorted(scores, reverse=True)


def test_only_the_user_s_own_memories_are_found(sdk: OmniMemorySDK) -> None:
    retriever = OmniMemoryRetriever(app_id=APP, memory=sdk)
    assert texts(retriever.invoke("Who lives where?", user_id="ben")) == {"Ben lives in Oslo."}
    assert texts(retriever.invoke("Who lives where?", {"configurable": {"user_id": "ben"}})) == {
        "Ben lives in Oslo."
    }
    with pytest.raises(ScopeError, match="user_id is missing"):
        retriever.invoke("Who lives where?")


async def test_sessions_filters_kinds_and_thresholds_narrow(sdk: OmniMemorySDK) -> None:
    retriever = OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk)
    question = "Ana in Porto"
    assert texts(await retriever.ainvoke(question, session_id="s0")) == {FACTS[0]}
    assert texts(await retriever.ainvoke(question, {"configurable": {"session_id": "s2"}})) == {FACTS[2]}
    assert texts(await retriever.ainvoke(question, filters={"topic": "home"})) == {FACTS[0]}
    assert await retriever.ainvoke(question, kinds=["note"]) == []
    assert await retriever.ainvoke(question, similarity_threshold=0.999) == []
    assert len(await retriever.ainvoke(question, k=2)) == 2
    narrow = OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk, filters={"topic": "home"})
    assert texts(await narrow.ainvoke(question)) == {FACTS[0]}


def test_an_unknown_override_is_named(sdk: OmniMemorySDK) -> None:
    with pytest.raises(InvalidRequest, match="top_k"):
        OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk).invoke("Ana", top_k=3)


def test_a_wrong_id_fails_where_it_is_written() -> None:
    with pytest.raises(ValidationError, match="user_id is blank"):
        OmniMemoryRetriever(app_id=APP, user_id=" ")


def test_the_config_of_a_chain_reaches_the_retriever(sdk: OmniMemorySDK) -> None:
    chain: Any = RunnableLambda(lambda question: str(question)) | OmniMemoryRetriever(app_id=APP, memory=sdk)
    assert texts(chain.invoke("Who lives where?", {"configurable": {"user_id": "ben"}})) == {
        "Ben lives in Oslo."
    }


def test_a_rag_chain_answers_from_memories(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat(replies=["In Porto."])
    retriever = OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk)
    prompt = ChatPromptTemplate.from_template("Context: {context}\nQuestion: {question}")
    chain: Any = (
        {"context": retriever | _joined, "question": RunnablePassthrough()}
        | prompt
        | model
        | StrOutputParser()
    )
    assert chain.invoke("Where does Ana live?") == "In Porto."
    assert FACTS[0] in str(model.prompts[0][0].text)
    assert "".join(chain.stream("Where does Ana live?")).strip() == "In Porto."


def _joined(documents: list[Document]) -> str:
    return "\n".join(document.page_content for document in documents)


def test_batches_and_many_users_are_not_mixed(sdk: OmniMemorySDK) -> None:
    retriever = OmniMemoryRetriever(app_id=APP, memory=sdk)
    configs: Any = [{"configurable": {"user_id": user}} for user in (USER, "ben")] * 4
    answers = asyncio.run(retriever.abatch(["Who lives where?"] * 8, configs))
    assert all(texts(found) == {"Ben lives in Oslo."} for found in answers[1::2])
    assert all("Ben lives in Oslo." not in texts(found) for found in answers[::2])


def test_tracing_is_told_the_provider_and_the_dump_holds_no_engine(sdk: OmniMemorySDK) -> None:
    retriever = OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk)
    seen: list[dict[str, Any]] = []

    class Watcher(BaseCallbackHandler):
        def on_retriever_start(
            self, *args: Any, metadata: dict[str, Any] | None = None, **kwargs: Any
        ) -> None:
            seen.append(metadata or {})

    retriever.invoke("Ana", {"callbacks": [Watcher()]})
    assert seen[0]["ls_retriever_name"] == "omnimemory"
    assert "memory" not in retriever.model_dump()
    assert "OmniMemorySDK" not in repr(retriever)
