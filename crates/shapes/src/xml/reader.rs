//! An XML document in, a value of a shape out.
//!
//! Two layers: [`Nodes`] is the document as opens, texts and closes, bounded and well-formed;
//! [`Walker`] is the recursion over the shape's table that consumes them. Its depth is bounded by
//! the first.

use std::borrow::Cow;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;
use serde_json::{Map, Value};

use super::is_character;
use crate::check::cut;
use crate::codec::{Decoded, scalar};
use crate::limits::{
    PROBLEMS_MAX, XML_ATTRIBUTES_MAX, XML_DEPTH_MAX, XML_ELEMENTS_MAX, XML_SIZE_BYTES_MAX,
};
use crate::path::{Path, ShapeError};
use crate::schema::{Kind, Location, Member, Shape};

/// Reads a document whose root element is `root` and holds a `shape`.
///
/// Members come in any order. Of a structure, only members that travel in the body are known.
/// Whether values fit and required members are there is for [`crate::check_types`] to say; a
/// member that is given twice is an error here, because a value could not hold both.
pub fn read(shape: &'static Shape, root: &str, document: &[u8]) -> Result<Decoded, ShapeError> {
    read_at(shape, root, document, &Path::Root)
}

/// Reads as [`read`] does; paths begin with `path`.
pub(crate) fn read_at(
    shape: &'static Shape,
    root: &str,
    document: &[u8],
    path: &Path<'_>,
) -> Result<Decoded, ShapeError> {
    let nodes = Nodes::of(document).map_err(|message| path.error(message))?;
    let mut walker = Walker {
        nodes,
        unknown: Vec::new(),
    };
    walker.open_root(root, path)?;
    let value = walker.value(shape, path)?;
    walker.end(path)?;
    Ok(Decoded {
        value,
        unknown: walker.unknown,
    })
}

struct Walker<'d> {
    nodes: Nodes<'d>,
    unknown: Vec<String>,
}

impl<'d> Walker<'d> {
    fn open_root(&mut self, expected: &str, path: &Path<'_>) -> Result<(), ShapeError> {
        match self.next(path)? {
            Node::Open(root) if name(&root) == expected => Ok(()),
            Node::Open(root) => Err(path.error(format!(
                "the root element is <{}>; <{expected}> is expected",
                cut(name(&root))
            ))),
            Node::End => Err(path.error(format!("no root element; <{expected}> is expected"))),
            Node::Text(_) | Node::Close => Err(path.error("text before the root element")),
        }
    }

    fn end(&mut self, path: &Path<'_>) -> Result<(), ShapeError> {
        match self.next(path)? {
            Node::End => Ok(()),
            _ => Err(path.error("more follows the root element")),
        }
    }

    /// Reads what the element that was opened last holds, and its close. So do all below.
    fn value(&mut self, shape: &'static Shape, path: &Path<'_>) -> Result<Value, ShapeError> {
        match shape.kind {
            Kind::Structure { members, .. } => self.structure(members, path),
            Kind::List {
                item, wire_name, ..
            } => self.list(item, wire_name, path),
            _ => Ok(scalar(shape, &self.text(path)?)),
        }
    }

    fn structure(
        &mut self,
        members: &'static [Member],
        path: &Path<'_>,
    ) -> Result<Value, ShapeError> {
        let mut object = Map::new();
        while let Some(element) = self.child(path)? {
            let is_meant =
                |m: &&Member| m.location == Location::Body && m.wire_name == name(&element);
            let Some(member) = members.iter().find(is_meant) else {
                self.skip_unknown(&element, path)?;
                continue;
            };
            let path = Path::Member(path, member.name);
            match (member.flattened_item(), object.get_mut(member.name)) {
                (Some(item), Some(Value::Array(items))) => {
                    items.push(self.value(item, &Path::Item(&path, items.len()))?);
                }
                (Some(item), _) => {
                    let first = self.value(item, &Path::Item(&path, 0))?;
                    object.insert(member.name.into(), Value::Array(vec![first]));
                }
                (None, None) => {
                    let value = self.value(member.shape, &path)?;
                    object.insert(member.name.into(), value);
                }
                (None, Some(_)) => return Err(path.error("is given twice")),
            }
        }
        Ok(Value::Object(object))
    }

    fn list(
        &mut self,
        item: &'static Shape,
        wire_name: &str,
        path: &Path<'_>,
    ) -> Result<Value, ShapeError> {
        let mut items = Vec::new();
        while let Some(element) = self.child(path)? {
            if name(&element) == wire_name {
                items.push(self.value(item, &Path::Item(path, items.len()))?);
            } else {
                self.skip_unknown(&element, path)?;
            }
        }
        Ok(Value::Array(items))
    }

    fn text(&mut self, path: &Path<'_>) -> Result<Cow<'d, str>, ShapeError> {
        let mut text = Cow::Borrowed("");
        loop {
            match self.next(path)? {
                Node::Text(more) if text.is_empty() => text = more,
                Node::Text(more) => text.to_mut().push_str(&more),
                Node::Open(element) => {
                    let message = format!("has an element <{}>; only text is expected", {
                        cut(name(&element))
                    });
                    return Err(path.error(message));
                }
                Node::Close | Node::End => return Ok(text),
            }
        }
    }

    /// The next element inside the one that is open, if there is one more.
    fn child(&mut self, path: &Path<'_>) -> Result<Option<BytesStart<'d>>, ShapeError> {
        loop {
            match self.next(path)? {
                Node::Open(element) => return Ok(Some(element)),
                Node::Close | Node::End => return Ok(None),
                Node::Text(text) if text.trim_ascii().is_empty() => {}
                Node::Text(_) => return Err(path.error("has text; only elements are expected")),
            }
        }
    }

    fn skip_unknown(
        &mut self,
        element: &BytesStart<'_>,
        path: &Path<'_>,
    ) -> Result<(), ShapeError> {
        let name = cut(name(element));
        let path = Path::Member(path, &name);
        if self.unknown.len() < PROBLEMS_MAX {
            self.unknown.push(path.to_string());
        }
        let mut depth = 1;
        while depth > 0 {
            match self.next(&path)? {
                Node::Open(_) => depth += 1,
                Node::Close | Node::End => depth -= 1,
                Node::Text(_) => {}
            }
        }
        Ok(())
    }

    fn next(&mut self, path: &Path<'_>) -> Result<Node<'d>, ShapeError> {
        self.nodes.next().map_err(|message| path.error(message))
    }
}

/// An element's name without its prefix.
fn name<'e>(element: &'e BytesStart<'_>) -> &'e str {
    // A prefix ends at a colon, so what is left of UTF-8 still is.
    std::str::from_utf8(element.local_name().into_inner()).unwrap_or_default()
}

/// What of a document says something.
enum Node<'d> {
    Open(BytesStart<'d>),
    Text(Cow<'d, str>),
    Close,
    /// Only where every element is closed.
    End,
}

/// A document as nodes. Comments and processing instructions are gone from it, references are
/// resolved, and every element that was opened is closed.
struct Nodes<'d> {
    reader: Reader<&'d [u8]>,
    depth: usize,
    elements: usize,
    /// Whether anything was read: the declaration stands first.
    is_begun: bool,
    /// Whether what was opened last was `<Empty/>`.
    closes_next: bool,
}

impl<'d> Nodes<'d> {
    fn of(document: &'d [u8]) -> Result<Self, String> {
        if document.len() > XML_SIZE_BYTES_MAX {
            return Err(format!("more than {XML_SIZE_BYTES_MAX} bytes"));
        }
        let text = std::str::from_utf8(document)
            .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
        Ok(Self {
            reader: Reader::from_str(text),
            depth: 0,
            elements: 0,
            is_begun: false,
            closes_next: false,
        })
    }

    fn next(&mut self) -> Result<Node<'d>, String> {
        if std::mem::take(&mut self.closes_next) {
            self.depth -= 1;
            return Ok(Node::Close);
        }
        loop {
            let event = self.reader.read_event();
            let event = event.map_err(|error| format!("not XML: {error}"))?;
            let is_first = !std::mem::replace(&mut self.is_begun, true);
            match event {
                Event::Start(element) => return self.open(element),
                Event::Empty(element) => {
                    self.closes_next = true;
                    return self.open(element);
                }
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(Node::Close);
                }
                Event::Text(text) => {
                    let text = text.xml10_content().map_err(|error| error.to_string())?;
                    // Space around the root is none of the document's text.
                    if self.depth > 0 || !text.trim_ascii().is_empty() {
                        return allowed(text);
                    }
                }
                Event::CData(text) => {
                    return allowed(text.xml10_content().map_err(|error| error.to_string())?);
                }
                Event::GeneralRef(reference) => return resolve(&reference),
                Event::Decl(declaration) if is_first => check_declaration(&declaration)?,
                Event::Decl(_) => return Err("not XML: a declaration inside a document".into()),
                Event::DocType(_) => return Err("document types are not accepted".into()),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof if self.depth > 0 => {
                    return Err("not XML: the document ends inside an element".into());
                }
                Event::Eof => return Ok(Node::End),
            }
        }
    }

    fn open(&mut self, element: BytesStart<'d>) -> Result<Node<'d>, String> {
        self.depth += 1;
        self.elements += 1;
        if self.depth > XML_DEPTH_MAX {
            return Err(format!("elements more than {XML_DEPTH_MAX} deep"));
        }
        if self.elements > XML_ELEMENTS_MAX {
            return Err(format!("more than {XML_ELEMENTS_MAX} elements"));
        }
        let mut attributes = element.attributes();
        // Looking for duplicates takes time by the square of their number, and says nothing here.
        for (index, attribute) in attributes.with_checks(false).enumerate() {
            attribute.map_err(|error| format!("not XML: {error}"))?;
            if index == XML_ATTRIBUTES_MAX {
                return Err(format!(
                    "more than {XML_ATTRIBUTES_MAX} attributes on an element"
                ));
            }
        }
        Ok(Node::Open(element))
    }
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), String> {
    let Some(encoding) = declaration.encoding() else {
        return Ok(());
    };
    let encoding = encoding.map_err(|error| format!("not XML: {error}"))?;
    if encoding.eq_ignore_ascii_case(b"UTF-8") || encoding.eq_ignore_ascii_case(b"US-ASCII") {
        return Ok(());
    }
    let encoding = String::from_utf8_lossy(&encoding);
    Err(format!(
        "the encoding is '{}'; UTF-8 is expected",
        cut(&encoding)
    ))
}

fn resolve(reference: &BytesRef<'_>) -> Result<Node<'static>, String> {
    if let Some(character) = reference
        .resolve_char_ref()
        .map_err(|error| format!("not XML: {error}"))?
    {
        return allowed(Cow::Owned(character.into()));
    }
    let name = String::from_utf8_lossy(reference);
    match resolve_xml_entity(&name) {
        Some(text) => Ok(Node::Text(Cow::Borrowed(text))),
        None => Err(format!("the entity &{}; is not accepted", cut(&name))),
    }
}

fn allowed(text: Cow<'_, str>) -> Result<Node<'_>, String> {
    match text.chars().find(|character| !is_character(*character)) {
        None => Ok(Node::Text(text)),
        Some(character) => Err(format!(
            "not XML: the character U+{:04X} is in it",
            u32::from(character)
        )),
    }
}
