"""``omnimemory agent``: what an agent does with memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import (
    AppId,
    Home,
    IdempotencyKey,
    Json,
    Metadata,
    OnlySession,
    OnlyUser,
    Results,
    SaidFile,
    SessionId,
    Threshold,
    Timeout,
    UserId,
    Wait,
)

if TYPE_CHECKING:
    from omnimemory.cli.waiting import Outcome
    from omnimemory.facade.connection import Response
    from omnimemory.sdk import OmniMemorySDK

app = typer.Typer(no_args_is_help=True)

Text = Annotated[
    list[str] | None,
    typer.Option(
        "--message",
        "-m",
        metavar="<text>",
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
    idempotency_key: IdempotencyKey = None,
    wait: Wait = None,
    timeout: Timeout = 60,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Save one note, as an agent wants it. No conflict resolution."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.messages import given_text_or_messages, metadata_of
    from omnimemory.cli.waiting import Waiting
    from omnimemory.core.schemas import AgentMemoryRequest

    waiting = Waiting(wait, timeout, home=home)
    request = AgentMemoryRequest(
        app_id=app_id,
        user_id=user_id,
        session_id=session_id,
        messages=given_text_or_messages(message, messages_file),
        metadata=metadata_of(metadata),
    )

    async def work(sdk: OmniMemorySDK) -> tuple[Response, Outcome | None]:
        accepted = await sdk.add_agent_memory(request, infer=infer, idempotency_key=idempotency_key)
        return accepted, await waiting.for_task(sdk, accepted["task_id"], app_id)

    accepted, outcome = using(home, work)
    waiting.report(accepted, [f"{accepted['message']}."], outcome, as_json=as_json)


@app.command()
def summarize(
    app_id: AppId,
    user_id: UserId,
    session_id: SessionId = None,
    message: Text = None,
    messages_file: SaidFile = None,
    callback_url: Annotated[
        str | None,
        typer.Option(metavar="<url>", help="Post the full summary there instead of printing a short one."),
    ] = None,
    callback_header: Annotated[
        list[str] | None,
        typer.Option(metavar="<name: value>", help="A header for the callback; may be repeated."),
    ] = None,
    wait: Wait = None,
    timeout: Timeout = 60,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Summarise a conversation. Nothing is stored."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.messages import given_text_or_messages
    from omnimemory.cli.waiting import Waiting
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

    waiting = Waiting(wait, timeout, home=home)

    async def work(sdk: OmniMemorySDK) -> tuple[Response, Outcome | None]:
        answer = await sdk.summarize_conversation(request)
        return answer, await waiting.for_task(sdk, answer.get("task_id"), app_id)

    answer, outcome = using(home, work)
    lines = [plain(str(answer["content"]))] if "content" in answer else []
    waiting.report(answer, lines, outcome, as_json=as_json)


@app.command()
def answer(
    app_id: AppId,
    query: Annotated[str, typer.Option("--query", "-q", metavar="<text>", help="The question.")],
    user_id: OnlyUser = None,
    session_id: OnlySession = None,
    n_results: Results = None,
    threshold: Threshold = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Answer a question from the memories. Where they do not hold it, say so."""
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
