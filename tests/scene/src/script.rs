//! Files as scenes and lines.

/// One scene of a file.
#[derive(Debug, Clone)]
pub struct Scene {
    /// `file:line` of its title.
    pub place: String,
    pub title: String,
    pub marks: Vec<String>,
    pub lines: Vec<Line>,
}

/// One line, with those that continue it.
#[derive(Debug, Clone)]
pub struct Line {
    /// `file:line`
    pub place: String,
    pub text: String,
}

impl Scene {
    pub fn has(&self, mark: &str) -> bool {
        self.marks.iter().any(|known| known == mark)
    }
}

/// The scenes of a file's text; `file` is its name, for errors.
pub fn read(file: &str, text: &str) -> Vec<Scene> {
    let mut scenes: Vec<Scene> = Vec::new();
    for (number, raw) in (1..).zip(text.lines()) {
        let (place, content) = (format!("{file}:{number}"), raw.trim());
        if content.is_empty() || content.starts_with("//") {
            continue;
        }
        if let Some(title) = raw.strip_prefix('#') {
            scenes.push(scene(place, title.trim()));
            continue;
        }
        let Some(scene) = scenes.last_mut() else { continue };
        match scene.lines.last_mut() {
            Some(line) if raw.starts_with(char::is_whitespace) => {
                line.text.push(' ');
                line.text.push_str(content);
            }
            _ => scene.lines.push(Line { place, text: content.to_owned() }),
        }
    }
    scenes
}

/// A title, its marks in brackets taken off its end.
fn scene(place: String, title: &str) -> Scene {
    let (mut title, mut marks) = (title, Vec::new());
    while let Some((before, mark)) = title.strip_suffix(']').and_then(|title| title.rsplit_once('[')) {
        marks.push(mark.to_owned());
        title = before.trim_end();
    }
    Scene { place, title: title.to_owned(), marks, lines: Vec::new() }
}
