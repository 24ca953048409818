//! A role's resources and constraints as a drawing (SVG 1.1).

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::recipe::compiled::CompiledRole;
use crate::recipe::model::Resource;

const BOX_WIDTH: u32 = 260;
const BOX_HEIGHT: u32 = 44;
const GAP: u32 = 14;
const FRAME_HEAD: u32 = 28;
const COLUMN: u32 = BOX_WIDTH + 2 * GAP + 160;

/// A resource, group or clone that no other contains.
struct Block<'a> {
    id: &'a str,
    /// What the frame is, such as `group` or `promotable clone of group x`.
    frame: Option<String>,
    members: Vec<&'a Resource>,
    x: u32,
    y: u32,
}

impl Block<'_> {
    fn width(&self) -> u32 {
        BOX_WIDTH + if self.frame.is_some() { 2 * GAP } else { 0 }
    }

    fn height(&self) -> u32 {
        let members = u32::try_from(self.members.len())
            .unwrap_or(u32::MAX / 1000)
            .max(1);
        let inside = members * BOX_HEIGHT + (members - 1) * GAP;
        match self.frame {
            Some(_) => FRAME_HEAD + inside + GAP,
            None => inside,
        }
    }
}

/// The drawing. Blocks stand in the order in which they start, from left to
/// right; an arrow is an order, a dashed line a colocation.
pub fn svg(role: &CompiledRole) -> String {
    let mut blocks = blocks(role);
    let ranks = ranks(role, &blocks);
    let mut columns: BTreeMap<usize, u32> = BTreeMap::new();
    for (block, rank) in blocks.iter_mut().zip(&ranks) {
        let y = columns.entry(*rank).or_insert(50);
        block.x = 20 + u32::try_from(*rank).unwrap_or(0) * COLUMN;
        block.y = *y;
        *y += block.height() + 30;
    }
    let width = blocks.iter().map(|b| b.x + b.width()).max().unwrap_or(0) + 20;
    let height = blocks.iter().map(|b| b.y + b.height()).max().unwrap_or(0) + 60;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">"
    );
    out.push_str(
        "<defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
         markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0 10 5 0 10z\"/>\
         </marker></defs>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
    );
    let title = format!("{}: {}", role.role.name, role.role.summary);
    let _ = writeln!(
        out,
        "<text x=\"20\" y=\"28\" font-size=\"16\" font-weight=\"bold\">{}</text>",
        escape(&title)
    );
    for block in &blocks {
        draw(&mut out, block);
    }
    let place = |id: &str| {
        blocks
            .iter()
            .find(|block| block.id == id || contains(block, id))
    };
    for order in &role.order {
        let (Some(first), Some(then)) = (place(&order.first), place(&order.then)) else {
            continue;
        };
        let action = |action: &Option<String>| action.clone().unwrap_or_else(|| "start".into());
        let label = format!(
            "{}, then {}",
            action(&order.first_action),
            action(&order.then_action)
        );
        line(&mut out, first, then, false, &label);
    }
    for colocation in &role.colocation {
        let (Some(resource), Some(with)) = (place(&colocation.resource), place(&colocation.with))
        else {
            continue;
        };
        let with_role = colocation.with_role.as_deref().unwrap_or("Started");
        let score = colocation.score.as_deref().unwrap_or("INFINITY");
        line(
            &mut out,
            resource,
            with,
            true,
            &format!("where {with_role}, {score}"),
        );
    }
    let need = match role.fencing.need {
        crate::recipe::model::FencingNeed::Required => "required",
        crate::recipe::model::FencingNeed::Recommended => "recommended",
    };
    let _ = writeln!(
        out,
        "<text x=\"20\" y=\"{}\" fill=\"#555\">arrow: order; dashed line: colocation; dashed box: only with some answers; \
         fencing {need}</text>\n</svg>",
        height - 20
    );
    out
}

fn contains(block: &Block<'_>, id: &str) -> bool {
    block.members.iter().any(|member| member.id == id)
}

fn blocks(role: &CompiledRole) -> Vec<Block<'_>> {
    let resource = |id: &str| role.resource.iter().find(|resource| resource.id == id);
    let group = |id: &str| role.group.iter().find(|group| group.id == id);
    let members = |id: &str| -> Vec<&Resource> {
        match group(id) {
            Some(group) => group.members.iter().filter_map(|id| resource(id)).collect(),
            None => resource(id).into_iter().collect(),
        }
    };
    let block = |id, frame, members| Block {
        id,
        frame,
        members,
        x: 0,
        y: 0,
    };
    let mut blocks = Vec::new();
    for clone in &role.clone {
        let kind = if clone.promotable {
            "promotable clone"
        } else {
            "clone"
        };
        let of = match group(&clone.of) {
            Some(group) => format!(" of group {}", group.id),
            None => String::new(),
        };
        blocks.push(block(
            clone.id.as_str(),
            Some(format!("{}: {kind}{of}", clone.id)),
            members(&clone.of),
        ));
    }
    for group in &role.group {
        if role.clone.iter().all(|clone| clone.of != group.id) {
            blocks.push(block(
                group.id.as_str(),
                Some(format!("{}: group", group.id)),
                members(&group.id),
            ));
        }
    }
    for resource in &role.resource {
        if !blocks.iter().any(|block| contains(block, &resource.id)) {
            blocks.push(block(resource.id.as_str(), None, vec![resource]));
        }
    }
    blocks
}

/// Column of each block: one more than that of every block it starts after.
/// A circle of orders, which `hapkg check` refuses, ends after as many rounds
/// as there are blocks.
fn ranks(role: &CompiledRole, blocks: &[Block<'_>]) -> Vec<usize> {
    let index = |id: &str| {
        blocks
            .iter()
            .position(|block| block.id == id || contains(block, id))
    };
    let mut ranks = vec![0; blocks.len()];
    for _ in blocks {
        for order in &role.order {
            match (index(&order.first), index(&order.then)) {
                (Some(first), Some(then)) if first != then => {
                    ranks[then] = ranks[then].max(ranks[first] + 1).min(blocks.len());
                }
                _ => {}
            }
        }
    }
    ranks
}

fn draw(out: &mut String, block: &Block<'_>) {
    let (mut x, mut y) = (block.x, block.y);
    if let Some(frame) = &block.frame {
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"#f2f4f7\" \
             stroke=\"#667\"/>\n<text x=\"{}\" y=\"{}\" fill=\"#445\">{}</text>",
            block.width(),
            block.height(),
            x + GAP,
            y + 19,
            escape(frame)
        );
        x += GAP;
        y += FRAME_HEAD;
    }
    for member in &block.members {
        let when = if member.when.is_empty() {
            ""
        } else {
            " stroke-dasharray=\"5 3\""
        };
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"4\" \
             fill=\"white\" stroke=\"#223\"{when}/>\n\
             <text x=\"{0}\" y=\"{1}\" font-weight=\"bold\">{2}</text>\n\
             <text x=\"{0}\" y=\"{3}\" fill=\"#555\" font-size=\"12\">{4}</text>",
            x + 10,
            y + 18,
            escape(&member.id),
            y + 35,
            escape(&member.agent)
        );
        y += BOX_HEIGHT + GAP;
    }
}

/// From the right edge of one block to the left edge of the other, or back.
fn line(out: &mut String, from: &Block<'_>, to: &Block<'_>, dashed: bool, label: &str) {
    let shift = if dashed { 24 } else { 0 };
    let middle = |block: &Block<'_>| block.y + block.height().min(120) / 2 + shift;
    let (x1, x2) = if from.x <= to.x {
        (from.x + from.width(), to.x)
    } else {
        (from.x, to.x + to.width())
    };
    let (y1, y2) = (middle(from), middle(to));
    let look = if dashed {
        "stroke=\"#888\" stroke-dasharray=\"4 4\""
    } else {
        "stroke=\"#000\" marker-end=\"url(#arrow)\""
    };
    let _ = writeln!(
        out,
        "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" {look}/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#333\">{}</text>",
        u32::midpoint(x1, x2),
        u32::midpoint(y1, y2) - 5,
        escape(label)
    );
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = r#"
        [role]
        name = "x"
        summary = "a <b> & \"c\""
        version = "1"
        [[resource]]
        id = "drbd"
        agent = "ocf:linbit:drbd"
        [[resource]]
        id = "fs"
        agent = "ocf:heartbeat:Filesystem"
        [[resource]]
        id = "alone"
        agent = "systemd:a&b"
        [[group]]
        id = "active"
        members = ["fs"]
        [[clone]]
        id = "replica"
        of = "drbd"
        promotable = true
        [[order]]
        first = "replica"
        first_action = "promote"
        then = "active"
        [[colocation]]
        resource = "active"
        with = "replica"
        with_role = "Promoted"
    "#;

    #[test]
    fn every_resource_is_drawn_once_and_the_drawing_is_xml() {
        let role = CompiledRole::from_toml(ROLE).unwrap();
        let drawing = svg(&role);
        let document = roxmltree::Document::parse(&drawing).unwrap();
        let texts: Vec<&str> = document
            .descendants()
            .filter(|node| node.is_text())
            .filter_map(|node| node.text())
            .collect();
        for word in [
            "x: a <b> & \"c\"",
            "drbd",
            "fs",
            "alone",
            "systemd:a&b",
            "promote, then start",
            "where Promoted, INFINITY",
        ] {
            assert_eq!(
                texts.iter().filter(|text| **text == word).count(),
                1,
                "{word}"
            );
        }
    }

    #[test]
    fn what_starts_later_stands_further_right() {
        let role = CompiledRole::from_toml(ROLE).unwrap();
        let blocks = blocks(&role);
        let ids: Vec<&str> = blocks.iter().map(|block| block.id).collect();
        assert_eq!(ids, ["replica", "active", "alone"]);
        assert_eq!(ranks(&role, &blocks), [0, 1, 0]);
    }
}
