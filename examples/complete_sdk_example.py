"""A customer support agent with a memory, start to end. Needs no key and no server; uses them when set.

A chat is batched message by message as it happens, turned into notes in the background, recalled for
the next answer, corrected by a later chat, and audited.
"""

from __future__ import annotations

import asyncio

from omnimemory import AgentMemorySDK
from omnimemory.core.errors import OmniMemoryError
from omnimemory.core.schemas import AgentMemoryRequest, ConversationSummaryRequest, Role, Scope
from omnimemory.sdk import OmniMemorySDK

APP, USER = "support-desk", "dana"

MONDAY: list[tuple[Role, str]] = [
    ("user", "Hi, I'm Dana. My espresso machine, a Brewster 300, leaks water at the bottom."),
    ("assistant", "Sorry to hear that, Dana. Does it leak while brewing or all the time?"),
    ("user", "Only while brewing. I descale it every month and I use soft water."),
    ("assistant", "That points to the pump seal. I can send a replacement seal."),
    ("user", "I live in Oslo. Please send it to 12 Harbor Street."),
    ("assistant", "Done. Would you like updates by e-mail or by text message?"),
    ("user", "I prefer e-mail. Never call me, I work night shifts."),
    ("assistant", "Noted: e-mail only, no calls."),
    ("user", "Thanks. The order number was A-7741."),
    ("assistant", "I have linked order A-7741 to this case."),
]
THURSDAY: list[tuple[Role, str]] = [
    ("user", "Hello again, Dana here. The seal has not arrived yet."),
    ("assistant", "Let me check the shipment."),
    ("user", "I moved from Oslo to Bergen. Please send it to 4 Fjord Lane, Bergen."),
    ("assistant", "Understood, I will redirect it to Bergen."),
    ("user", "I no longer prefer e-mail. I prefer text messages now."),
    ("assistant", "Then you get a text message with the tracking number."),
]


async def chat(sdk: OmniMemorySDK, session: str, messages: list[tuple[Role, str]]) -> None:
    """Hand messages over as they come; a full batch becomes a note without anybody waiting for it."""
    for role, content in messages:
        state = await sdk.memory_batcher_add_message(
            app_id=APP, user_id=USER, session_id=session, role=role, content=content
        )
        if state["status"] == "flushed":
            print(f"  batch of {state['batch_size']} handed to the agents, task {state['task_id']}")


async def ask(sdk: OmniMemorySDK, query: str) -> None:
    """Print what the agent would read before it answers."""
    found = await sdk.query_memory(app_id=APP, user_id=USER, query=query, n_results=3)
    print(f"\n? {query}")
    for memory in found:
        said = memory["metadata"].get("matched_statement") or memory["document"]  # of a note, what matched
        print(f"  {memory['composite_score']:.2f}  {said[:90]}")


async def audit(sdk: OmniMemorySDK, memory_id: str) -> None:
    """What became of a note, and why."""
    chain = await sdk.traverse_memory_evolution_chain(app_id=APP, memory_id=memory_id)
    decisions = await sdk.list_decisions(APP, USER, memory_ids=[memory.id for memory in chain])
    print(f"\nMonday's note has {len(chain)} versions:")
    for decision in decisions:
        print(f"  {decision.operation}: {decision.reasoning or 'from what was said on Monday'}")
    print(sdk.generate_evolution_graph(chain, format="mermaid", decisions=decisions))


async def main() -> None:
    async with OmniMemorySDK() as sdk:
        if not await sdk.warm_up():
            raise SystemExit("the settings do not work; the log says why")

        print("Monday's chat")
        await chat(sdk, "monday", MONDAY)
        await ask(sdk, "Which machine does Dana have?")  # at once: nothing has to be indexed first
        await sdk.flush(Scope(app_id=APP, user_id=USER))  # waits for the notes; a real agent never does
        await ask(sdk, "Oslo or Bergen, which is the city?")
        notes = await sdk.list_memories(APP, USER, kinds=["note"], newest_first=True, limit=1)

        print("\nThursday's chat")
        await chat(sdk, "thursday", THURSDAY)
        await sdk.flush(Scope(app_id=APP, user_id=USER))
        await ask(sdk, "Oslo or Bergen, which is the city?")  # what was said on Monday is no longer among it
        await ask(sdk, "To which address in Bergen should the seal be sent?")
        for note in notes:
            await audit(sdk, note.id)

        saved = await sdk.add_agent_memory(
            AgentMemoryRequest(
                app_id=APP, user_id=USER, messages="Dana's case is closed: the seal arrived and fits."
            )
        )
        await sdk.wait_for_task(saved["task_id"], app_id=APP)
        await ask(sdk, "Is Dana's case closed?")

        summary = await sdk.summarize_conversation(
            ConversationSummaryRequest(
                app_id=APP,
                user_id=USER,
                messages=[{"role": role, "content": content} for role, content in MONDAY],
            )
        )
        print(f"\nMonday in short: {summary['content']}")

        answer = await AgentMemorySDK(sdk).answer_query(
            APP, "Does Dana prefer e-mail or text messages?", user_id=USER
        )
        print(f"\nThe agent says: {answer['answer']}")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except OmniMemoryError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
