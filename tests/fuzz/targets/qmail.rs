//! Lines of .qmail files and of account instructions.

use dotqmail::{Instruction, read};

pub(crate) fn run(data: &[u8]) {
    let free = read(data, false);
    let forwards = read(data, true);
    if let Ok(list) = &forwards {
        assert!(list.iter().all(|one| matches!(one, Instruction::Forward(_))));
        assert_eq!(&forwards, &free);
    }
    for one in free.iter().flatten() {
        let (Instruction::Maildir(text)
        | Instruction::Mbox(text)
        | Instruction::Program(text)
        | Instruction::Forward(text)) = one;
        assert!(!text.contains(&0) && !text.contains(&b'\n'));
    }
}
