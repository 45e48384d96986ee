"""
Looking at the page as it is now, in one size and both themes: rules of accessibility, widths, motion, and a picture.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Page, ViewportSize, expect

ROOT = Path(__file__).parents[3]
AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "test-results" / "page"
DOCS = ROOT / "docs" / "images"
IN_DOCS = {f"kept-{size}-{theme}" for size in ("wide", "narrow") for theme in ("light", "dark")}
"""
The pictures that stand in the documentation.
"""

SIZES: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 800}},
    "narrow": {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True},
    "zoomed": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}
"""
What a browser is told of its screen. Zoomed is the wide one at 200 %.
"""
MOST_STOPS = 80
SMALLEST: ViewportSize = {"width": 320, "height": 600}

_RUN_AXE = """(only) => axe.run(document, {
    resultTypes: ['violations'],
    iframes: false,
    ...(only ? {runOnly: only} : {rules: {'target-size': {enabled: true}}}),
})"""
_OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""
The rules whose result depends on the theme; all others need to be asked once.
"""
# What has a bar of its own may be wider than the screen, and what ends in dots may go on behind them.
_FIND_WIDE = """(width) => {
    const free = 'pre, .md-table, .columns, .md-math-display, .unseen, svg, math'
    const found = new Set()
    const name = (element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class')}`
    const ends = (element) =>
        element && (getComputedStyle(element).textOverflow === 'ellipsis' || ends(element.parentElement))
    if (document.documentElement.scrollWidth > width) found.add('the document scrolls sideways')
    for (const element of document.querySelectorAll('body *')) {
        if (element.closest(free) || !element.checkVisibility({visibilityProperty: true})) continue
        const {left, right} = element.getBoundingClientRect()
        const scrolls = ['auto', 'scroll'].includes(getComputedStyle(element).overflowX)
        if (scrolls && element.scrollWidth > element.clientWidth + 1) found.add(`${name(element)} scrolls sideways`)
        if ((right > width + 1 || left < -1) && !ends(element)) found.add(`${name(element)} sticks out`)
    }
    return [...found]
}"""
_FIND_MOTION = """document.getAnimations()
    .filter((each) => each.playState === 'running' && each.effect.getComputedTiming().duration >= 1)
    .map((each) => `${each.effect.target?.className} moves`)"""
# The prompt shows its focus by the frame around it.
_FIND_UNSEEN = """(() => {
    const at = document.activeElement
    if (at === null || at === document.body) return null
    const name = at.getAttribute('aria-label') ?? at.textContent
    const {left, top, right, bottom} = at.getBoundingClientRect()
    const shown = at.checkVisibility({opacityProperty: true, visibilityProperty: true})
    const within = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight
    const frame = at.matches('textarea.growing') ? getComputedStyle(at.form).boxShadow : 'none'
    const marked = getComputedStyle(at).outlineStyle !== 'none' || frame.startsWith('rgb')
    return {name, wrong: [!shown && 'hidden', !within && 'outside', !marked && 'unmarked'].filter(Boolean)}
})()"""
_FIND_FOCUS = """(() => {
    const at = document.activeElement
    return at === null || at === document.body ? null : at.id || at.className || at.tagName
})()"""


@dataclass
class Looker:
    """
    Look at a page in one size, and note what is wrong with it: a test wants `faults` to be empty.
    """

    page: Page
    size: str
    faults: list[str] = field(default_factory=list)

    async def look(self, state: str) -> None:
        """
        Look at a state: in both themes by axe and with a picture, and where it is narrow at the smallest width too.
        """
        for only, theme in ((None, "light"), (_OF_COLOUR, "dark")):
            await self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # a literal, in a tuple
            # Diagrams are drawn anew in the other theme.
            await expect(self.page.locator(".md-frame-waiting")).to_have_count(0)
            self._note(state, theme, await find_faults(self.page, only))
            await self.take_picture(state, theme)
        await self.page.emulate_media(color_scheme="light")
        width = SIZES[self.size]["viewport"]["width"]
        self._note(state, str(width), await self.page.evaluate(_FIND_WIDE, width))
        self._note(state, "reduced motion", await self.page.evaluate(_FIND_MOTION))
        if self.size == "narrow":
            await self._look_at_the_smallest(state)

    async def _look_at_the_smallest(self, state: str) -> None:
        await self.page.set_viewport_size(SMALLEST)
        width = SMALLEST["width"]
        self._note(state, str(width), await self.page.evaluate(_FIND_WIDE, width))
        await self.page.set_viewport_size(SIZES[self.size]["viewport"])

    async def take_picture(self, state: str, theme: str) -> None:
        """
        Write a picture of the screen; those of the documentation only where that is asked for.
        """
        PICTURES.mkdir(parents=True, exist_ok=True)
        name = f"{state}-{self.size}-{theme}"
        await self.page.screenshot(path=PICTURES / f"{name}.png")
        if name in IN_DOCS and os.environ.get("OUTCROP_SCREENSHOTS") == "1":
            await self.page.screenshot(path=DOCS / f"{self.size}-{theme}.png")

    async def keep_focus(self, after: str) -> None:
        """
        Note a fault where nothing has the focus: the next Tab would begin at the page's start.
        """
        # Whoever gives it back does so once the page is drawn.
        await self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        if await self.page.evaluate(_FIND_FOCUS) is None:
            self.faults.append(f"{after} ({self.size}): the focus is lost")

    async def walk_by_tab(self) -> list[str]:
        """
        Press Tab until the page's end, and note each stop that is hidden or not marked; give the names of all.
        """
        stops: list[str] = []
        for _ in range(MOST_STOPS):
            await self.page.keyboard.press("Tab")
            stop = await self.page.evaluate(_FIND_UNSEEN)
            if stop is None:
                break
            stops.append(stop["name"])
            self._note("a stop of Tab", stop["name"], stop["wrong"])
        return stops

    def _note(self, state: str, how: str, found: list[str]) -> None:
        self.faults += [f"{state} ({self.size}, {how}): {each}" for each in found]


async def find_faults(page: Page, only: list[str] | None = None) -> list[str]:
    """
    Let axe look at the page as it is now, by all its rules or some. The page's context must by-pass its policy.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    result = await page.evaluate(_RUN_AXE, only)
    return [f"{each['id']}: {node['html'][:120]}" for each in result["violations"] for node in each["nodes"]]
