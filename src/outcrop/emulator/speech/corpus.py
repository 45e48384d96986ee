"""
What the emulator's answers are put together from. Words only; which of them are taken is decided in `text`.
"""

from collections.abc import Mapping
from types import MappingProxyType

NOTE = "(simulated by the outcrop emulator)"
"""
Stands in every answer that is not a plain echo, so that none is taken for a model's.
"""

GREETINGS = ("Hello! What shall we talk about?", "Good day! What can I do for you?", "Hi there! Ask me anything.")

OPENINGS = (
    "Here is how I would look at it.",
    "Good question. Let's take it apart.",
    "There are a few sides to this.",
    "In short: it depends, but there is a clear way to decide.",
)


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


PARAGRAPHS = _paragraphs("""\
Water finds its way through granite one grain at a time. What looks solid is full of joints, and every frost opens them
a little further. Given long enough, a valley is only a very patient crack.

A good interface is small where it meets others and deep where it does its work. When two parts must know much about
each other, they are one part that has been cut in the wrong place.

Measure first, then change one thing, then measure again. The second number is worth nothing without the first, and
both are worth little if three things changed between them.

Basalt columns form when a thick flow of lava cools slowly and evenly. It shrinks, it cracks, and because six-sided
cells cost the least energy, the cracks draw hexagons.

Every queue is either empty or full; the length in between is only the time that it takes to get from one to the other.
So the question is never how long a queue should be, but what happens when it is full.

The oldest maps of the coast show harbours that no longer exist. Rivers carried the mountains down to them, spoon by
spoon, until the ships had to anchor elsewhere.
""")


def _elements(text: str) -> tuple[str, ...]:
    return tuple(element.strip() for element in text.split("=====\n"))


ELEMENTS = _elements("""\
### What matters

1. **Clarity**: say what you expect.
2. **Limits**: say what is too much.
3. **Recovery**: say what happens next.
=====
- first, *look*;
- then, ask *why*;
- only then, touch anything.
=====
| rock | kind | hardness |
|---|---|---:|
| granite | igneous | 6.5 |
| marble | metamorphic | 3 |
| sandstone | sedimentary | 6 |
=====
> A stream is a promise about order, not about speed.
=====
```python
def erode(rock: float, years: int) -> float:
    # What is left after that many years.
    return rock * 0.99**years
```
=====
The energy is $E = mc^2$, and `inline code` stays as it is: `a < b && b > c`.
""")

SCRIPTS = (
    "水滴石穿，非一日之功。大きな岩も、小さな流れに形を変える。",
    "الماء اللطيف يشق طريقه في الصخر الأصم.",
    "बूँद-बूँद से सागर भरता है, और पत्थर भी घिस जाता है।",
    "Вода камень точит. Ὕδωρ πέτραν κοιλαίνει.",
    "Emoji, for good measure: 🪨🌊 👩‍🔬 🧑🏽‍💻 👨‍👩‍👧‍👦 🏳️‍🌈 🇯🇵",
)

ANSWERS_BY_SCRIPT: Mapping[str, str] = MappingProxyType(
    {
        "cjk": "你好！这是一个模拟的回答。石は水より古いが、水のほうが気が長い。",
        "arabic": "مرحبًا! هذه إجابة تجريبية. الحجر أقدم من الماء، لكن الماء أصبر منه.",
        "devanagari": "नमस्ते! यह एक नमूना उत्तर है। पत्थर पानी से पुराना है, पर पानी में धैर्य अधिक है।",
        "cyrillic": "Здравствуйте! Это пример ответа. Камень старше воды, но вода терпеливее.",
    }
)

HAIKU = (
    "old stone in the stream\nthe water tells it stories\nuntil it is round",
    "frost opens the cliff\na single grain of granite\nstarts its long journey",
    "the tide turns a page\nthe cliff has read it before\nand still it listens",
)

CODE: Mapping[str, str] = MappingProxyType(
    {
        "python": """\
def fibonacci(n: int) -> list[int]:
    numbers = [0, 1]
    while len(numbers) < n:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:n]
""",
        "javascript": """\
export function fibonacci(n) {
  const numbers = [0, 1];
  while (numbers.length < n) numbers.push(numbers.at(-1) + numbers.at(-2));
  return numbers.slice(0, n);
}
""",
        "typescript": """\
export function fibonacci(n: number): number[] {
  const numbers = [0, 1];
  while (numbers.length < n) numbers.push(numbers.at(-1)! + numbers.at(-2)!);
  return numbers.slice(0, n);
}
""",
        "rust": """\
fn fibonacci(n: usize) -> Vec<u64> {
    let mut numbers = vec![0, 1];
    while numbers.len() < n {
        numbers.push(numbers[numbers.len() - 1] + numbers[numbers.len() - 2]);
    }
    numbers.truncate(n);
    numbers
}
""",
        "go": """\
func Fibonacci(n int) []int {
\tnumbers := []int{0, 1}
\tfor len(numbers) < n {
\t\tnumbers = append(numbers, numbers[len(numbers)-1]+numbers[len(numbers)-2])
\t}
\treturn numbers[:n]
}
""",
        "sql": """\
WITH RECURSIVE fibonacci(a, b) AS (
  SELECT 0, 1
  UNION ALL
  SELECT b, a + b FROM fibonacci WHERE b < 100
)
SELECT a FROM fibonacci;
""",
        "bash": """\
a=0 b=1
for _ in $(seq 10); do
  echo "$a"
  read -r a b <<<"$b $((a + b))"
done
""",
    }
)

TRANSLATIONS: Mapping[str, str] = MappingProxyType(
    {
        "french": "La pierre est plus vieille que l'eau.",
        "german": "Der Stein ist älter als das Wasser.",
        "spanish": "La piedra es más vieja que el agua.",
        "italian": "La pietra è più antica dell'acqua.",
        "japanese": "石は水より古い。",
        "chinese": "石头比水更古老。",
        "arabic": "الحجر أقدم من الماء.",
        "hindi": "पत्थर पानी से पुराना है।",
        "russian": "Камень старше воды.",
    }
)

THOUGHTS = (
    "The person asks something plain. I'll answer it plainly and keep it short.",
    "Let me see what is wanted here: an answer, an example, and where its limits are.",
    "Two readings are possible. The simpler one fits the conversation, so I'll take that.",
)
