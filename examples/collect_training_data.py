"""From a running team to training data: record runs of several attempts per task, export them, look at one pair.

Run it with `python examples/collect_training_data.py [FOLDER]`; it needs `pip install 'credit-hooks[langgraph]'`. The
same from the command line, beside the running application:

    credit-hooks export --store runs.db --format trl-dpo --out data --split train=0.8 --split test=0.2 --follow
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph

from credit_hooks.langgraph import CreditCallback
from credit_hooks_exporters import export

DRAW = random.Random(7)  # noqa: S311 - a simulation


def planner(state: MessagesState) -> dict[str, list[AIMessage]]:
    """Says what is to be computed."""
    return {"messages": [AIMessage("Multiply the two numbers of the question.")]}


def solver(state: MessagesState) -> dict[str, list[AIMessage]]:
    """Multiplies, and forgets to in about every other attempt: stands for a model that is sampled."""
    a, b = (int(word) for word in state["messages"][0].text.rstrip("?").split() if word.isdigit())
    result = a * b if DRAW.random() < 0.5 else a + b
    return {"messages": [AIMessage(f"The answer is {result}.")]}


def main(folder: Path) -> None:
    """Six tasks, four attempts each; the attempts of a task are siblings, as they share a group."""
    graph = StateGraph(MessagesState)
    graph.add_node("planner", planner)
    graph.add_node("solver", solver)
    graph.add_edge(START, "planner")
    graph.add_edge("planner", "solver")
    team = graph.compile(name="team")
    right: dict[str, int] = {}
    callback = CreditCallback(
        evaluate=lambda run: f" {right[run.trajectory.task_id or '']}." in run.answer, store=str(folder / "runs.db")
    )
    for a in range(2, 8):
        question = f"What is {a} times 9 ?"
        right[question] = a * 9
        for _ in range(4):
            config: RunnableConfig = {
                "callbacks": [callback],
                "metadata": {"task_id": question, "group_id": question},
            }
            team.invoke({"messages": [HumanMessage(question)]}, config=config)
    callback.flush()
    manifest = export(folder / "runs.db", "trl-dpo", folder / "data", since="last", deduplicate=False)
    print(f"{manifest.rows} pairs of {manifest.runs} runs")
    with (folder / "data" / "train-00000.jsonl").open(encoding="utf-8") as lines:
        pair = json.loads(next(lines))
    print("prompt:  ", pair["prompt"][-1]["content"].replace("\n\n", " | "))
    print("chosen:  ", pair["chosen"][0]["content"])
    print("rejected:", pair["rejected"][0]["content"])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="credit-hooks-")))
