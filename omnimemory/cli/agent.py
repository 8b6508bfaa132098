"""``omnimemory agent``: what an agent does with memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import (
    AppId,
    Home,
    Json,
    Metadata,
    OnlySession,
    OnlyUser,
    SaidFile,
    SessionId,
    Timeout,
    UserId,
    Wait,
)

if TYPE_CHECKING:
    from omnimemory.core.schemas import Task
    from omnimemory.facade.connection import Response
    from omnimemory.sdk import OmniMemorySDK

app = typer.Typer(no_args_is_help=True)

Text = Annotated[
    list[str] | None,
    typer.Option(
        "--message",
        "-m",
        help="Free text, or what was said as 'user:...'; may be repeated. '-' reads standard input.",
    ),
]


@app.callback()
def group() -> None:
    """Save what an agent learnt, summarise, and answer from memories."""


@app.command("add-memory")
def add_memory(
    app_id: AppId,
    user_id: UserId,
    session_id: SessionId = None,
    message: Text = None,
    messages_file: SaidFile = None,
    metadata: Metadata = None,
    infer: Annotated[bool, typer.Option(help="Write a note of it, or keep it word for word.")] = True,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key again stores nothing twice.")
    ] = None,
    wait: Wait = None,
    timeout: Timeout = 60,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Save one note as an agent wants it remembered; no conflict resolution."""
    from omnimemory.cli.changing import report_accepted
    from omnimemory.cli.connect import awaited, using
    from omnimemory.cli.messages import given_text_or_messages, metadata_of
    from omnimemory.core.schemas import AgentMemoryRequest

    request = AgentMemoryRequest(
        app_id=app_id,
        user_id=user_id,
        session_id=session_id,
        messages=given_text_or_messages(message, messages_file),
        metadata=metadata_of(metadata),
    )

    async def work(sdk: OmniMemorySDK) -> tuple[Response, Task | None]:
        accepted = await sdk.add_agent_memory(request, infer=infer, idempotency_key=idempotency_key)
        return accepted, await awaited(sdk, accepted["task_id"], app_id, wait=wait, timeout=timeout)

    report_accepted(*using(home, work), as_json=as_json)


@app.command()
def summarize(
    app_id: AppId,
    user_id: UserId,
    session_id: SessionId = None,
    message: Text = None,
    messages_file: SaidFile = None,
    callback_url: Annotated[
        str | None, typer.Option(help="Post the full summary there instead of printing a short one.")
    ] = None,
    callback_header: Annotated[
        list[str] | None, typer.Option(help="A header for the callback, as 'Name: value'; may be repeated.")
    ] = None,
    wait: Wait = None,
    timeout: Timeout = 60,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Summarise a conversation. Nothing is stored."""
    from omnimemory.cli.connect import awaited, using
    from omnimemory.cli.messages import given_text_or_messages
    from omnimemory.cli.tasks import report
    from omnimemory.core.display import plain
    from omnimemory.core.errors import InvalidRequest
    from omnimemory.core.schemas import ConversationSummaryRequest

    if callback_header and callback_url is None:
        raise InvalidRequest("--callback-header goes with --callback-url")
    request = ConversationSummaryRequest(
        app_id=app_id,
        user_id=user_id,
        session_id=session_id,
        messages=given_text_or_messages(message, messages_file),
        callback_url=callback_url,
        callback_headers=_headers(callback_header),
    )

    async def work(sdk: OmniMemorySDK) -> tuple[Response, Task | None]:
        answer = await sdk.summarize_conversation(request)
        return answer, await awaited(sdk, answer.get("task_id"), app_id, wait=wait, timeout=timeout)

    answer, task = using(home, work)
    if "content" in answer:
        lines = [plain(str(answer["content"]))]
    elif task is None:
        lines = [f"Task {answer['task_id']} posts the summary when it is ready."]
    else:
        lines = []
    report(answer, lines, task, as_json=as_json)


@app.command()
def answer(
    app_id: AppId,
    query: Annotated[str, typer.Option("--query", "-q", help="The question.")],
    user_id: OnlyUser = None,
    session_id: OnlySession = None,
    n_results: Annotated[
        int | None, typer.Option("--n-results", "-n", help="How many memories to answer from at most.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Least cosine similarity; the setting's if left out.")
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Answer a question from the memories, or say that they do not hold it."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document
    from omnimemory.core.display import plain
    from omnimemory.sdk import AgentMemorySDK

    found = using(
        home,
        lambda sdk: AgentMemorySDK(sdk).answer_query(
            app_id,
            query,
            user_id=user_id,
            session_id=session_id,
            n_results=n_results,
            similarity_threshold=threshold,
        ),
    )
    memories = [memory.to_dict() for memory in found["memories"]]
    print_document(
        {"answer": found["answer"], "memories": memories},
        f"{plain(found['answer'])}\n\nBased on {len(memories)} memories.",
        as_json=as_json,
    )


def _headers(lines: list[str] | None) -> dict[str, str]:
    from omnimemory.core.errors import InvalidRequest

    found = {}
    for line in lines or ():
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise InvalidRequest("--callback-header: give 'Name: value'")
        found[name.strip()] = value.strip()
    return found
