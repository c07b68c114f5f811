"""Twenty word problems with known answers: rates, fractions, percentages, ages, distances, money, sets, averages.

Twelve hold a percentage, because one of the demo's solvers leaves percentages out. Of those, half have an answer that
is no whole number, because the demo's checker prefers whole numbers. Nothing else connects problems and agents.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PROBLEMS", "Problem"]


class Problem(NamedTuple):
    """A word problem."""

    id: str
    """Short name, the task id of its runs."""
    text: str
    """What the team is asked."""
    answer: float
    """The right answer, worked out by hand."""


PROBLEMS: tuple[Problem, ...] = (
    Problem(
        "printer",
        "A printer prints 24 pages per minute for 15 minutes. 5% of them are blank and are thrown away. "
        "How many pages are left?",
        342,
    ),
    Problem(
        "jacket",
        "A jacket costs 80 dollars. It is sold at 25% off. Lena pays with a 100 dollar note. "
        "How much change does she get?",
        40,
    ),
    Problem(
        "meal",
        "A meal costs 62 dollars. A tip of 15% is added. The bill is shared equally by two friends. "
        "How much does each friend pay?",
        35.65,
    ),
    Problem(
        "bakery",
        "A baker bakes 48 rolls. She sells three quarters of them in the morning and 5 more at noon. "
        "How many rolls are left?",
        7,
    ),
    Problem(
        "ages",
        "Ana is 12 years old. Ben is three times as old as Ana. Cem is 4 years younger than Ben. "
        "How old will Cem be in 5 years?",
        37,
    ),
    Problem(
        "town",
        "A town has 5000 people. Their number grows by 10% each year for two years. How many people live there then?",
        6050,
    ),
    Problem(
        "train",
        "A train travels 80 km per hour for 3 hours. Then it travels 60 km per hour for 2 hours. "
        "How many km does it travel in all?",
        360,
    ),
    Problem(
        "stationery",
        "Tom buys 3 notebooks at 4 dollars each and 5 pens at 2 dollars each. The shop takes 5% off. "
        "He pays with a 30 dollar note. How much change does he get?",
        9.1,
    ),
    Problem(
        "bicycle",
        "A bicycle costs 250 dollars. It is sold at 15% off. How much does it cost now?",
        212.5,
    ),
    Problem(
        "clubs",
        "A class has 30 students. 18 of them play football, 15 play chess and 8 play both. How many play neither?",
        5,
    ),
    Problem(
        "school",
        "A school has 400 pupils. 45% of them are boys. How many pupils are not boys?",
        220,
    ),
    Problem(
        "recipe",
        "A recipe uses 6 eggs for 4 people. How many eggs are needed for 10 people?",
        15,
    ),
    Problem(
        "wages",
        "A nurse earns 18 dollars per hour for 38 hours. A tax of 20% is taken off. How much does she keep?",
        547.2,
    ),
    Problem(
        "tests",
        "Ida scores 70, 85 and 91 points in three tests. What is her average?",
        82,
    ),
    Problem(
        "phone",
        "A phone costs 300 dollars. Its price falls by 20%. Then a tax of 10% is added. How much does it cost now?",
        264,
    ),
    Problem(
        "marbles",
        "Paul has 23 marbles. Sara has 14 more marbles than Paul. How many marbles do they have together?",
        60,
    ),
    Problem(
        "fence",
        "A garden is 12 metres long and 5 metres wide. A fence around it costs 3 dollars per metre. "
        "The shop takes 10% off. How much does the fence cost?",
        91.8,
    ),
    Problem(
        "orchard",
        "A farmer picks 240 apples. 5% of them are rotten and are thrown away. The rest are packed in boxes of 12. "
        "How many boxes are filled?",
        19,
    ),
    Problem(
        "savings",
        "An account holds 900 dollars. The amount grows by 3.5% in a year. How many dollars are there then?",
        931.5,
    ),
    Problem(
        "taps",
        "One tap fills 12 litres per minute and another fills 8 litres per minute. A tank holds 200 litres. "
        "How many minutes do both taps need to fill it?",
        10,
    ),
)
