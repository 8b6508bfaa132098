"""The Quick Start: store a conversation, wait for its memory, query it. Needs no key and no server."""

from __future__ import annotations

import asyncio

from omnimemory.core.schemas import Message, UserMessages
from omnimemory.sdk import OmniMemorySDK


async def main() -> None:
    async with OmniMemorySDK() as sdk:
        response = await sdk.add_memory(
            UserMessages(
                app_id="my-app",
                user_id="user-123",
                session_id="session-123",
                messages=[
                    Message(role="user", content="I'm building a Python web scraper."),
                    Message(role="assistant", content="I can help with libraries like BeautifulSoup."),
                ]
                * 5,
            )
        )
        print(f"Accepted, task {response['task_id']}")
        await sdk.wait_for_task(response["task_id"], app_id="my-app")

        results = await sdk.query_memory(
            app_id="my-app",
            user_id="user-123",
            session_id="session-123",
            n_results=1,
            query="What is the user working on?",
        )
        print(results[0]["memory_note"])


if __name__ == "__main__":
    asyncio.run(main())
