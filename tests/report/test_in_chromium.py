"""The real page in a real browser, from its file: it renders, reacts, loads nothing, runs nothing of the data's."""

import pytest

from tests.report.browser import Watch, chromium
from tests.report.toy import BOLD, HOSTILE, IMAGE, SCRIPT

pytestmark = pytest.mark.slow
FIGURES = ("horizon", "training", "nodes", "distance", "forecasts", "costs")


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser, folder):
    """The page, rendered; whatever a test does with it, it stays silent and asks for nothing."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
    watch = Watch(opened)
    opened.goto((folder / "page.html").as_uri())
    opened.locator("html[data-ready=yes]").wait_for(state="attached", timeout=60_000)
    yield opened
    opened.wait_for_timeout(100)
    asked = [address for address in watch.asked if not address.startswith(("data:", "blob:"))]
    assert (watch.said, watch.dialogs, asked) == ([], [], [(folder / "page.html").as_uri()])
    opened.close()


def plot(name: str) -> str:
    return f"data-0-{name}-figure"


def shown(page, name: str, of: str):
    """Return an expression of each trace that a figure shows now."""
    return page.evaluate(
        f"document.getElementById('{plot(name)}')._fullData.filter(t => t.visible === true).map(t => {of})"
    )


def fills(page) -> list[str]:
    return page.evaluate(
        f"[...document.querySelectorAll('#{plot('nodes')} .scatterlayer path.point')]"
        ".map(point => getComputedStyle(point).fill)"
    )


def point(page, name: str, node: int) -> dict:
    """Scroll a figure into view and return where a node's point is."""
    page.locator(f"#{plot(name)}").scroll_into_view_if_needed()
    points = page.locator(f"#{plot(name)} .scatterlayer path.point")
    box = points.nth(node).bounding_box()
    return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}


def test_every_figure_is_drawn(page):
    for name in FIGURES:
        assert page.locator(f"#{plot(name)} svg.main-svg").count() >= 1, name
        assert page.locator(f"#{plot(name)} .trace path, #{plot(name)} .points path").count() >= 1, name
    assert page.title() == "ST-LoRA: QUICK"


def test_the_drop_down_changes_the_map(page):
    before, options = fills(page), page.locator(f"select[data-figure={plot('nodes')}] option").all_inner_texts()
    assert len(options) == 3 and len(before) == 5
    page.select_option(f"select[data-figure={plot('nodes')}]", "2")
    after = fills(page)
    assert len(after) == 5 and after != before
    assert shown(page, "nodes", "t.mode === 'markers' && t.name")[-1] == page.evaluate(
        f"document.getElementById('{plot('nodes')}').data.at(-1).name"
    )
    page.select_option(f"select[data-figure={plot('nodes')}]", "0")
    assert fills(page) == before


def test_the_correlation_follows_the_comparison(page):
    title = page.locator(f"#{plot('distance')} .gtitle")
    before = title.text_content()
    assert before.startswith("ρ = ") and before.endswith("5 nodes")
    page.select_option(f"select[data-figure={plot('distance')}]", "1")
    assert title.text_content() != before


def test_the_metric_changes_axis_and_lines(page):
    before = shown(page, "horizon", "t.y.at(-1)")
    page.select_option(f"select[data-figure={plot('horizon')}]", "2")
    assert page.locator(f"#{plot('horizon')} .ytitle").text_content() == "MAPE, %"
    assert shown(page, "horizon", "t.y.at(-1)") != before


def test_dragging_zooms_the_forecasts_and_another_node_keeps_the_zoom(page):
    figure = page.locator(f"#{plot('forecasts')}")
    figure.scroll_into_view_if_needed()
    get_range = f"[...document.getElementById('{plot('forecasts')}')._fullLayout.xaxis.range]"
    before, truth = page.evaluate(get_range), shown(page, "forecasts", "[...t.y].slice(0, 9)")[0]
    box = page.locator(f"#{plot('forecasts')} .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=5)
    page.mouse.up()
    page.wait_for_timeout(300)
    zoomed = page.evaluate(get_range)
    assert before[0] < zoomed[0] < zoomed[1] < before[1]
    page.select_option(f"select[data-figure={plot('forecasts')}][data-place='0']", "3")
    page.select_option(f"select[data-figure={plot('forecasts')}][data-place='1']", "2")
    assert page.evaluate(get_range) == zoomed
    assert shown(page, "forecasts", "[...t.y].slice(0, 9)")[0] != truth
    assert shown(page, "forecasts", "t.name")[:1] == ["truth"] and len(shown(page, "forecasts", "t.name")) == 5


def test_what_the_legend_hid_stays_hidden_at_another_node(page):
    page.locator(f"#{plot('forecasts')}").scroll_into_view_if_needed()
    page.locator(f"#{plot('forecasts')} .legendtoggle").first.click()
    page.wait_for_timeout(600)  # plotly waits for a second click
    assert "truth" not in shown(page, "forecasts", "t.name")
    page.select_option(f"select[data-figure={plot('forecasts')}][data-place='0']", "1")
    assert "truth" not in shown(page, "forecasts", "t.name") and shown(page, "forecasts", "t.name")


@pytest.mark.parametrize("figure", ["nodes", "distance"])
def test_pointing_at_a_node_shows_its_name_and_scores(page, figure):
    for node in range(3):
        page.mouse.move(0, 0)
        label = page.locator(f"#{plot(figure)} .hovertext")
        label.wait_for(state="detached", timeout=5000)
        page.mouse.move(**point(page, figure, node))
        label.wait_for(timeout=5000)
        text = label.text_content()
        assert f"node {HOSTILE[node]}".replace("\u2028", "").strip() in text.replace("\u2028", "")
        assert "base MAE" in text and "plus MAE" in text and "difference" in text


def test_hostile_names_are_text(page):
    assert page.locator("img, iframe, object").count() == 0
    assert page.evaluate("document.scripts.length") == 2 + 2 * len(FIGURES)
    names = page.locator(f"#{plot('horizon')} .legendtext").all_text_contents()
    assert f"{IMAGE}, 2 seeds" in names and f"{IMAGE}+, 2 seeds" in names
    nodes = page.locator(f"select[data-figure={plot('forecasts')}][data-place='0'] option").all_text_contents()
    assert nodes[:2] == [IMAGE, SCRIPT] and nodes[2].startswith("<b>%{x}</b> &")
    assert any(IMAGE in text for text in page.locator(f"#{plot('costs')} .ytick").all_text_contents())
    cells = page.locator("td").all_text_contents()
    assert any(SCRIPT in text for text in cells) and any(IMAGE in text for text in cells)
    assert any(SCRIPT in text for text in page.locator("pre").all_text_contents())
    assert BOLD.startswith("<b>") and page.locator("select b, figure b").count() == 0


def test_light_and_dark_follow_the_reader(page):
    colour = f"document.getElementById('{plot('nodes')}').layout.font.color"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(500)
    assert page.evaluate(colour) != light
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"


def test_the_page_fits_the_window(page):
    for width in (360, 800, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(400)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for name in FIGURES:
            box = page.locator(f"#{plot(name)} svg.main-svg").first.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width + 1, (name, width)


def test_a_legend_covers_neither_the_buttons_nor_what_is_drawn(page):
    for width in (360, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(400)
        for name in ("horizon", "training", "forecasts"):
            buttons, legend, drawn = (
                page.locator(f"#{plot(name)} {part}").first.bounding_box()
                for part in (".modebar-container .modebar", ".legend .bg", ".draglayer .nsewdrag")
            )
            assert buttons["y"] + buttons["height"] <= legend["y"] + 1, (name, width)
            assert legend["y"] + legend["height"] <= drawn["y"] + 1, (name, width)
            assert drawn["height"] > legend["height"], (name, width)


def test_the_first_column_leaves_room_for_the_others_on_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 800})
    widths = page.evaluate(
        "[...document.querySelectorAll('td.name:first-child')].map(cell => cell.getBoundingClientRect().width)"
    )
    assert widths and max(widths) < 180


def test_the_page_can_be_read_without_seeing_it(page):
    assert page.get_attribute("html", "lang") == "en"
    assert page.locator("h1").count() == 1 and page.locator("main").count() == page.locator("nav").count() == 1
    assert all(page.locator(".plot").nth(place).get_attribute("aria-label") for place in range(len(FIGURES)))
    assert page.locator("select").count() == page.locator("label select").count()
    targets = page.evaluate("[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href').slice(1))")
    assert len(targets) == 9 and all(page.locator(f"[id='{target}']").count() == 1 for target in targets)
