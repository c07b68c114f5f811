"""Accuracy gained per system run by the real MIPROv2 of DSPy, on the desk, tasks, critic and seeds of `prompts.py`.

    pip install -e '.[langgraph,demo]' optuna --group optimizers    # in an environment of its own
    python benchmarks/prompts_mipro.py                              # 20 seeds, 150 system runs each

**A simulation**, as `prompts.py` says. The DSPy program has one predictor per block, whose instructions are the block's
prompt; its forward is one run of the LangGraph team and counts as one system run, whatever MIPROv2 makes it for:
bootstrapping, minibatches, full evaluations. What is fair, and what is not:

- It is zero-shot (no demonstrations in any prompt), with its own instructions in `signature.instructions`.
- It bootstraps even so. The blocks' clerks are no DSPy predictors, so nothing comes of it but evidence for the critic.
  It has 5 training tasks for that, not 20, so that it costs 10 runs at most.
- Its prompt model is the local critic of `prompts.py`, shown 3 runs, drawn for each proposal from those made so far.
- It proposes all instructions before it searches, each from the prompt as it was, where GEPA and ours rewrite what they
  found. The critic teaches one skill per rewrite, and a planted block lacks two. So it also runs with proposals that
  the critic rewrites twice. This favours it: the second rewrite puts back what the first took out of a healthy block.
- 3 candidates per block: the prompt as it was and 2 proposals. 3 minibatches (a quarter of 40 validation tasks, or half
  of 10), then the combination with the best mean is run on the whole validation set. MIPROv2's answer is the best
  score of such full evaluations, the first being of the prompts as they were; ties stay with the earlier.
- The answer at a budget is its answer after the last full evaluation that was paid for by then. The search has more
  trials than it can pay, and ends by an exception where a run would exceed the largest budget.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import random
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from prompts import REGIMES, SLIP, Regime, RememberingTeam, Tally, show

from credit_hooks.demo.order_desk import LocalCritic, desk_team, evaluate, orders
from credit_hooks.prompts import CritiqueError, CritiqueRequest, Job, PromptSet, Task
from credit_hooks.prompts.critique import validated
from credit_hooks.prompts.evidence import evidence_of
from credit_hooks.rewards import CreditedRun

try:
    import dspy
    import optuna  # noqa: F401 - MIPROv2 searches with it
    from dspy.lm15 import Message, Response, TextPart, Usage
    from prompts_peers import Found, SameLuck, note
except ImportError as error:  # no failure: `make bench` runs every file here, without the optimisers' environment
    print(f"Not measured: {error}. It needs the real MIPROv2: see the top of this file")
    raise SystemExit(0) from error

WAYS: Mapping[str, tuple[int, int]] = {  # rewrites per proposal, validation tasks
    "MIPROv2, proposals of one rewrite, 40 validation tasks": (1, 40),
    "MIPROv2, proposals of two rewrites, 40 validation tasks": (2, 40),
    "MIPROv2, proposals of one rewrite, 10 validation tasks": (1, 10),
    "MIPROv2, proposals of two rewrites, 10 validation tasks": (2, 10),
}
MINIBATCH = {40: 10, 10: 5}
TRAINING, CANDIDATES, BETWEEN, SHOWN = 5, 3, 3, 3


class Spent(BaseException):
    """The budget is spent. No `Exception`: MIPROv2 would score the candidate 0 and go on."""


class Meter:
    """The team, the runs it made, and how many are left. DSPy copies programs often; this is never copied."""

    def __init__(self, team: SameLuck, budget: int) -> None:
        self.team, self.budget = team, budget
        self.made: list[tuple[Task, CreditedRun]] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Meter:
        return self

    def run(self, task: Task, texts: Mapping[str, str]) -> CreditedRun:
        if len(self.made) >= self.budget:
            raise Spent
        prompts = PromptSet(self.team.blocks).with_texts(dict(texts))
        (run,) = self.team.run([Job("", task, prompts)], evaluate, lambda run: None)  # SameLuck names it
        self.made.append((task, run))
        return run


class Program(dspy.Module):  # type: ignore[misc]
    """The team as a DSPy program: a predictor per block holds its prompt, and forward is one run."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self.meter = meter
        for block in meter.team.blocks:
            setattr(self, block.role, dspy.Predict(dspy.Signature("task -> answer", block.text)))

    @property
    def texts(self) -> dict[str, str]:
        return {name: predictor.signature.instructions for name, predictor in self.named_predictors()}

    def forward(self, task: Task) -> Any:
        run = self.meter.run(task, self.texts)
        return dspy.Prediction(answer=run.trajectory.answer, outcome=run.credit.outcome or 0.0)


class CriticEngine:
    """Behind `dspy.LM`: answers a request for an instruction by the critic of `prompts.py`."""

    def __init__(self, meter: Meter, critic: LocalCritic, rewrites: int, seed: int) -> None:
        self._meter, self._critic, self._rewrites = meter, critic, rewrites
        self._draw, self._asked = random.Random(f"evidence {seed}"), 0

    def complete(self, request: Any) -> Any:
        asked = "\n".join(message.text or "" for message in request.messages)
        basic = asked.split("[[ ## basic_instruction ## ]]\n", 1)[1]
        (role,) = [block.role for block in self._meter.team.blocks if basic.startswith(block.text)]
        text = f"[[ ## proposed_instruction ## ]]\n{self._proposal(role)}\n\n[[ ## completed ## ]]"
        usage = Usage(input_tokens=0, output_tokens=0, total_tokens=0)
        message = Message.assistant([TextPart(text)])
        return Response(id=None, model="critic", message=message, finish_reason="stop", usage=usage)

    def _proposal(self, role: str) -> str:
        prompts = PromptSet(self._meter.team.blocks)
        for _ in range(self._rewrites):
            prompts = prompts.with_texts({role: self._rewritten(prompts, role)})
        return prompts[role]

    def _rewritten(self, prompts: PromptSet, role: str) -> str:
        self._asked += 1
        block = prompts.block(role)
        shown = self._draw.sample(self._meter.made, min(SHOWN, len(self._meter.made)))
        tasks = [task for task, _ in shown]
        evidence = evidence_of(block, [run for _, run in shown], tasks)
        try:
            reply = self._critic(CritiqueRequest(attempt=self._asked, block=block, evidence=evidence))
            text = validated(reply, block, [str(task.input) for task in tasks]).text
        except CritiqueError:
            text = None
        return block.text if text is None else text


class Watched(dspy.MIPROv2):  # type: ignore[misc]
    """The real MIPROv2; notes what it holds best after each full evaluation, and after how many runs."""

    had: list[tuple[int, float, PromptSet]]

    def _perform_full_evaluation(self, *arguments: Any, **named: Any) -> Any:
        best_score, best_program, calls = super()._perform_full_evaluation(*arguments, **named)
        meter = best_program.meter
        start = PromptSet(meter.team.blocks)
        self.had.append((len(meter.made), best_score, start.with_texts(best_program.texts)))
        return best_score, best_program, calls


def by_mipro(team: SameLuck, tasks: Sequence[Task], critic: LocalCritic, way: str, budget: int, seed: int) -> Found:
    rewrites, validation = WAYS[way]
    meter = Meter(team, budget)
    model = dspy.LM("local/critic", cache=False, engine=CriticEngine(meter, critic, rewrites, seed))
    search = Watched(
        metric=lambda example, prediction, trace=None: prediction.outcome,
        prompt_model=model,
        task_model=model,
        max_bootstrapped_demos=0,
        max_labeled_demos=0,
        auto=None,
        num_candidates=CANDIDATES,
        num_threads=1,
        seed=seed + 1,  # 0 would be taken for none
    )
    search.had = []
    examples = [dspy.Example(task=task).with_inputs("task") for task in tasks]
    quiet = io.StringIO()
    with contextlib.suppress(Spent), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        search.compile(
            Program(meter),
            trainset=examples[:TRAINING],
            valset=examples[20 : 20 + validation],
            num_trials=budget,  # more than it can pay: each has several runs
            minibatch=True,
            minibatch_size=MINIBATCH[validation],
            minibatch_full_eval_steps=BETWEEN,
            program_aware_proposer=False,  # the critic would not read what they tell
            data_aware_proposer=False,
        )
    return Found(None, tuple(search.had), len(meter.made))


def measure(regime: Regime, seeds: Sequence[int], budgets: Sequence[int]) -> dict[str, Tally]:
    tallies = {way: Tally({budget: [] for budget in budgets}) for way in WAYS}
    for seed in seeds:
        team = RememberingTeam(desk_team(regime.weak(seed), slip=SLIP, honest=regime.honest, seed=seed, parallel=False))
        tasks, fresh = orders(60, seed=seed), orders(60, seed=10_000 + seed)
        before = team.solved(PromptSet(team.blocks), fresh)
        for way in WAYS:
            critic = LocalCritic(seed=seed, **regime.critic)
            found = by_mipro(SameLuck(team), tasks, critic, way, max(budgets), seed)
            note(tallies[way], regime, seed, found, team, fresh, before)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budgets", type=int, nargs="+", default=[50, 100, 150])
    parser.add_argument("--regime", choices=[regime.name for regime in REGIMES], action="append")
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    started, budgets = time.perf_counter(), sorted(arguments.budgets)
    print(f"Points of accuracy gained on 60 fresh tasks after so many system runs, {arguments.seeds} seeds.")
    for regime in REGIMES:
        if arguments.regime is None or regime.name in arguments.regime:
            show(regime, measure(regime, range(arguments.seeds), budgets), budgets)
            print(flush=True)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
