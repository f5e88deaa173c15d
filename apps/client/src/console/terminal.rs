//! Line editing in a thread of its own, so that what comes in can be shown while a line is being typed.

use std::sync::mpsc as blocking;
use std::thread;

use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};
use tokio::sync::mpsc;

use crate::Error;

/// The person's side of the console.
pub(super) struct Terminal {
    prompts: blocking::SyncSender<String>,
    lines: mpsc::Receiver<Option<String>>,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Terminal {
    pub(super) fn open() -> Result<Terminal, Error> {
        let mut editor = DefaultEditor::new().map_err(|error| Error::local(error.to_string()))?;
        // Not a terminal: lines are printed as they come.
        let printer = match editor.create_external_printer() {
            Ok(printer) => Some(Box::new(printer) as Box<dyn ExternalPrinter + Send>),
            Err(_) => None,
        };
        let (prompts, asked) = blocking::sync_channel::<String>(1);
        let (answer, lines) = mpsc::channel(1);
        thread::Builder::new().name("terminal".into()).spawn(move || {
            for prompt in asked {
                let line = match editor.readline(&prompt) {
                    Ok(line) => {
                        let _ = editor.add_history_entry(&line);
                        Some(line)
                    }
                    Err(ReadlineError::Interrupted) => Some(String::new()),
                    Err(_) => None,
                };
                if answer.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Terminal { prompts, lines, printer })
    }

    /// Lets a line be typed behind `prompt`.
    pub(super) fn prompt(&mut self, prompt: String) {
        let _ = self.prompts.send(prompt);
    }

    /// The line that was typed; `None` at the end of input. Cancelling it loses nothing.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.lines.recv().await.flatten()
    }

    /// Asks for one line and waits for it.
    pub(super) async fn ask(&mut self, question: &str) -> Result<String, Error> {
        self.prompt(format!("{question} "));
        self.line().await.ok_or_else(|| Error::local("no answer"))
    }

    /// Shows a line above the one being typed.
    pub(super) fn print(&mut self, line: String) {
        let shown = self.printer.as_mut().is_some_and(|printer| printer.print(format!("{line}\n")).is_ok());
        if !shown {
            println!("{line}");
        }
    }
}
