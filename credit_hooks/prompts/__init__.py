"""Prompts that improve where the credit points: verbalized block coordinate descent.

::

    team = LangGraphTeam(graph, [PromptBlock(role="solver", text=SOLVER), ...])     # credit_hooks.prompts.langgraph
    found = optimize(team, tasks, evaluate, critic, Budget(system_runs=200, model_calls=20), store="runs.db")
    found.changed, found.prompts["solver"]
"""

from credit_hooks.prompts.blocks import PromptBlock, PromptSet
from credit_hooks.prompts.budget import Budget, BudgetError, Spent
from credit_hooks.prompts.critic import Critic
from credit_hooks.prompts.critique import CritiqueError, CritiqueRequest
from credit_hooks.prompts.diagnosis import Diagnosis, diagnose
from credit_hooks.prompts.gate import Gate
from credit_hooks.prompts.optimization import Attempt, Edit, Optimization, Scores
from credit_hooks.prompts.optimize import optimize
from credit_hooks.prompts.select import Selector, Situation, by_chance, by_credit, every_block, in_turn
from credit_hooks.prompts.tasks import Task
from credit_hooks.prompts.team import Job, TaskEvaluator, Team

__all__ = [
    "Attempt",
    "Budget",
    "BudgetError",
    "Critic",
    "CritiqueError",
    "CritiqueRequest",
    "Diagnosis",
    "Edit",
    "Gate",
    "Job",
    "Optimization",
    "PromptBlock",
    "PromptSet",
    "Scores",
    "Selector",
    "Situation",
    "Spent",
    "Task",
    "TaskEvaluator",
    "Team",
    "by_chance",
    "by_credit",
    "diagnose",
    "every_block",
    "in_turn",
    "optimize",
]
