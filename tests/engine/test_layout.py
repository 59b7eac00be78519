"""Layout: nothing overlaps, everything goes forward, lines keep out of the way, and large graphs stay quick."""

from __future__ import annotations

import random
import time
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.engine.layout.arranging import arrange
from pipelinekit.engine.layout.fitting import shelve, suggest_direction
from pipelinekit.engine.layout.groups import drawable_groups
from pipelinekit.engine.layout.layering import layers_of
from pipelinekit.engine.layout.ordering import build_web, crossings, order
from pipelinekit.engine.layout.shapes import Box, Direction, Layout, Link, Placed

NEAR = 0.02
DIRECTIONS: tuple[Direction, ...] = ("right", "down")


def draw(count: int, pairs: list[tuple[int, int]], direction: Direction = "right", groups=None) -> Layout:
    boxes = [Box(100, 40, groups[index] if groups else ()) for index in range(count)]
    return arrange(boxes, [Link(*pair) for pair in pairs], direction)


def overlap(left: Placed, right: Placed) -> bool:
    return (
        left.x + NEAR < right.x + right.width
        and right.x + NEAR < left.x + left.width
        and left.y + NEAR < right.y + right.height
        and right.y + NEAR < left.y + left.height
    )


def inside(inner: Placed, outer: Placed) -> bool:
    return (
        outer.x <= inner.x + NEAR
        and outer.y <= inner.y + NEAR
        and inner.x + inner.width <= outer.x + outer.width + NEAR
        and inner.y + inner.height <= outer.y + outer.height + NEAR
    )


def span(first: tuple[float, float], second: tuple[float, float]) -> Placed:
    """The room in which a line between two points runs."""
    (x, y), (to_x, to_y) = first, second
    return Placed(min(x, to_x), min(y, to_y), abs(x - to_x), abs(y - to_y))


def middle(place: Placed) -> tuple[float, float]:
    return place.x + place.width / 2, place.y + place.height / 2


@st.composite
def graphs(draw_from, groups: bool = True):
    count = draw_from(st.integers(1, 14))
    pairs = draw_from(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=30))
    sizes = draw_from(st.lists(st.sampled_from([(60, 30), (120, 40), (90, 80)]), min_size=count, max_size=count))
    names = st.lists(st.sampled_from("abc"), max_size=3).map(tuple)
    paths = draw_from(st.lists(names, min_size=count, max_size=count)) if groups else [()] * count
    links = []
    for left, right in pairs:
        if left != right:
            leaves = draw_from(st.sampled_from([-8.0, 0.0, 8.0]))
            links.append(Link(min(left, right), max(left, right), leaves))
    paths = drawable_groups(paths, [(link.source, link.target) for link in links])
    boxes = [Box(*size, path) for size, path in zip(sizes, paths, strict=True)]
    return boxes, list(dict.fromkeys(links)), draw_from(st.sampled_from(DIRECTIONS))


class TestLaws:
    @given(graphs())
    @settings(max_examples=200, deadline=None)
    def test_boxes_keep_apart_and_frames_hold_their_own(self, graph):
        boxes, links, direction = graph
        layout = arrange(boxes, links, direction)
        assert [(place.width, place.height) for place in layout.boxes] == [(box.width, box.height) for box in boxes]
        assert not any(overlap(left, right) for left, right in combinations(layout.boxes, 2))
        frames = {frame.group: frame.place for frame in layout.frames}
        assert set(frames) == {box.group[:depth] for box in boxes for depth in range(1, len(box.group) + 1)}
        for path, frame in frames.items():
            for box, place in zip(boxes, layout.boxes, strict=True):
                assert inside(place, frame) if box.group[: len(path)] == path else not overlap(place, frame)
            for other, place in frames.items():
                if other[: len(path)] == path:
                    assert inside(place, frame)
                elif path[: len(other)] != other:
                    assert not overlap(place, frame)
        for place in [*layout.boxes, *frames.values()]:
            assert inside(place, Placed(0, 0, layout.width, layout.height))

    @given(graphs())
    @settings(max_examples=200, deadline=None)
    def test_lines_go_forward_from_box_to_box_and_cross_no_other(self, graph):
        boxes, links, direction = graph
        layout = arrange(boxes, links, direction)
        for link, route in zip(links, layout.routes, strict=True):
            source, target = layout.boxes[link.source], layout.boxes[link.target]
            along = [point[0 if direction == "right" else 1] for point in route]
            assert along == sorted(along)
            assert along[0] < along[-1]
            if direction == "right":
                ends = (source.x + source.width, middle(source)[1] + link.leaves), (target.x, middle(target)[1])
            else:
                ends = (middle(source)[0] + link.leaves, source.y + source.height), (middle(target)[0], target.y)
            assert route[0] == pytest.approx(ends[0])
            assert route[-1] == pytest.approx(ends[1])
            paths = boxes[link.source].group, boxes[link.target].group
            foreign = [
                frame.place for frame in layout.frames if all(path[: len(frame.group)] != frame.group for path in paths)
            ]
            for first, second in pairwise(route):
                assert not any(overlap(span(first, second), place) for place in [*layout.boxes, *foreign])

    @given(graphs())
    @settings(max_examples=50, deadline=None)
    def test_the_same_graph_is_drawn_the_same(self, graph):
        assert arrange(*graph) == arrange(*graph)

    @given(graphs(groups=False))
    @settings(max_examples=100, deadline=None)
    def test_layers_put_every_link_forward(self, graph):
        boxes, links, _ = graph
        layers = layers_of(len(boxes), [(link.source, link.target) for link in links])
        assert all(layers[link.source] < layers[link.target] for link in links)
        assert min(layers) >= 0


class TestShapes:
    def test_a_chain_is_one_straight_line(self):
        layout = draw(5, [(0, 1), (1, 2), (2, 3), (3, 4)])
        assert len({place.y for place in layout.boxes}) == 1
        assert all(len(route) == 2 for route in layout.routes)

    def test_a_diamond_is_symmetrical(self):
        layout = draw(4, [(0, 1), (0, 2), (1, 3), (2, 3)])
        start, left, right, end = (middle(place) for place in layout.boxes)
        assert start[1] == end[1] == (left[1] + right[1]) / 2
        assert left[0] == right[0]

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_a_fan_keeps_its_order_and_its_ends_in_the_middle(self, direction):
        pairs = [(0, item) for item in range(1, 13)] + [(item, 13) for item in range(1, 13)]
        layout = draw(14, pairs, direction)
        axis = 1 if direction == "right" else 0
        across = [middle(place)[axis] for place in layout.boxes]
        assert across[1:13] == sorted(across[1:13])
        assert across[0] == across[13] == pytest.approx((across[1] + across[12]) / 2)

    def test_a_side_input_stands_beside_what_uses_it(self):
        layout = draw(5, [(0, 1), (1, 2), (2, 3), (4, 3)])
        assert layout.boxes[4].x == layout.boxes[2].x

    def test_long_lines_are_straight_where_nothing_is_in_their_way(self):
        layout = draw(5, [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)])
        assert len(layout.routes[4]) <= 4  # out, straight along, back in

    def test_lines_of_one_origin_share_their_way(self):
        layout = draw(6, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 4), (0, 5)])
        shorter, longer = layout.routes[5], layout.routes[6]
        assert longer[:2] == shorter[:2]

    def test_parts_that_nothing_links_share_the_room(self):
        layout = draw(40, [])
        assert layout.width < 5 * layout.height
        assert layout.height < 5 * layout.width

    def test_crossings_are_removed_where_they_can_be(self):
        signals = [(0, 0.0, [(5, 0.0)]), (1, 0.0, [(4, 0.0)]), (2, 0.0, [(3, 0.0)])]
        web = build_web([0, 0, 0, 1, 1, 1], [10.0] * 6, signals)
        web.layers = [[0, 1, 2], [3, 4, 5]]
        order(web)
        assert crossings(web, [web.layers[web.layer[v]].index(v) for v in range(6)]) == 0

    def test_nothing_is_a_drawing_as_well(self):
        assert draw(0, []).boxes == ()


class TestGroups:
    def test_names_of_frames_stay_where_lines_go_in_and_out_once(self):
        groups = [(), ("in",), ("in",), ()]
        assert drawable_groups(groups, [(0, 1), (1, 2), (2, 3)]) == groups

    def test_a_group_that_lines_leave_and_enter_again_is_dissolved(self):
        assert drawable_groups([("in",), (), ("in",)], [(0, 1), (1, 2)]) == [(), (), ()]

    def test_inner_groups_of_a_dissolved_one_keep_its_name(self):
        groups = [("out", "in"), ("out", "in"), (), ("out",)]
        assert drawable_groups(groups, [(0, 1), (1, 2), (2, 3)]) == [("out/in",), ("out/in",), (), ()]

    def test_a_circle_between_groups_is_refused(self):
        with pytest.raises(ValueError, match="circle"):
            draw(3, [(0, 1), (1, 2)], groups=[("in",), (), ("in",)])

    def test_deep_groups_need_no_recursion(self):
        path = tuple(str(depth) for depth in range(300))
        layout = draw(2, [(0, 1)], groups=[path, ()])
        assert len(layout.frames) == 300


class TestFit:
    def test_small_graphs_go_right_and_long_ones_down(self):
        assert suggest_direction([(150, 50)] * 6, [(item, item + 1) for item in range(5)]) == "right"
        assert suggest_direction([(150, 50)] * 30, [(item, item + 1) for item in range(29)]) == "down"

    def test_broad_graphs_go_right(self):
        assert suggest_direction([(150, 50)] * 41, [(0, item) for item in range(1, 41)]) == "right"

    def test_shelves_follow_each_other(self):
        places, size = shelve([(100, 50), (60, 20), (60, 20)], "right", 10)
        assert size[0] >= 100
        rooms = [Placed(*place, *part) for place, part in zip(places, [(100, 50), (60, 20), (60, 20)], strict=True)]
        assert not any(overlap(left, right) for left, right in combinations(rooms, 2))


class TestSize:
    def test_two_thousand_boxes_take_seconds_at_most(self):
        chance = random.Random(3)
        pairs = set()
        while len(pairs) < 4_000:
            target = chance.randrange(1, 2_000)
            pairs.add((chance.randrange(max(0, target - 60), target), target))
        began = time.process_time()
        layout = draw(2_000, sorted(pairs))
        assert time.process_time() - began < 4  # 0.6 s on a quiet machine
        assert len(layout.boxes) == 2_000

    def test_a_chain_of_ten_thousand_needs_no_recursion(self):
        layout = draw(10_000, list(pairwise(range(10_000))), "down")
        assert layout.boxes[-1].y > layout.boxes[0].y
