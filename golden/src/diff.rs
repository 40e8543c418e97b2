//! Two lists of lines -> a readable difference.

/// ` ` both, `-` expected only, `+` seen only. Messages are short: the plain quadratic table is enough, and longer ones
/// are cut to the part that differs first.
pub(crate) fn lines(expected: &[String], seen: &[String]) -> String {
    let same_head = expected.iter().zip(seen).take_while(|(left, right)| left == right).count();
    let (left, right) = (&expected[same_head..], &seen[same_head..]);
    let same_tail = left.iter().rev().zip(right.iter().rev()).take_while(|(left, right)| left == right).count();
    let (left, right) = (&left[..left.len() - same_tail], &right[..right.len() - same_tail]);

    let mut out = String::new();
    let mut put = |mark: char, line: &str| {
        out.push_str(&format!("  {mark} {line}\n"));
    };
    for line in &expected[..same_head] {
        put(' ', line);
    }
    for (mark, line) in middle(left, right) {
        put(mark, line);
    }
    for line in &expected[expected.len() - same_tail..] {
        put(' ', line);
    }
    out
}

fn middle<'a>(left: &'a [String], right: &'a [String]) -> Vec<(char, &'a str)> {
    // Longest common subsequence; beyond this size one block after the other is as readable.
    if left.len().saturating_mul(right.len()) > 1 << 20 {
        let (left, right) =
            (left.iter().map(|line| ('-', line.as_str())), right.iter().map(|line| ('+', line.as_str())));
        return left.chain(right).collect();
    }
    let mut common = vec![vec![0_u32; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i][j] =
                if left[i] == right[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            out.push((' ', left[i].as_str()));
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || (i < left.len() && common[i + 1][j] >= common[i][j + 1]) {
            out.push(('-', left[i].as_str()));
            i += 1;
        } else {
            out.push(('+', right[j].as_str()));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn shows_what_is_missing_and_what_is_new() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let diff = super::lines(&lines("200\na: 1\nb: 2\n\nhi"), &lines("200\na: 1\nb: 3\nc: 4\n\nhi"));
        assert_eq!(diff, "    200\n    a: 1\n  - b: 2\n  + b: 3\n  + c: 4\n    \n    hi\n");
    }
}
