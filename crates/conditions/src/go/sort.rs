//! `sort.Sort`: which of equal elements comes first, and what a comparison that makes no sense of NaN leads to, is
//! decided by the algorithm. This is the pattern-defeating quicksort of `sort/zsortinterface.go`, step for step.

/// What is sorted, by index. `less` may fail, and the sort with it.
pub(crate) trait Sortable {
    type Error;
    fn len(&self) -> usize;
    fn less(&mut self, i: usize, j: usize) -> Result<bool, Self::Error>;
    fn swap(&mut self, i: usize, j: usize);
}

/// # Errors
/// The first failure of a comparison.
pub(crate) fn sort<S: Sortable>(data: &mut S) -> Result<(), S::Error> {
    let len = data.len();
    let limit = usize::BITS - len.leading_zeros();
    quick(data, 0, len, limit)
}

/// Up to this many elements insertion sort, which is stable.
const INSERTION: usize = 12;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Unknown,
    Increasing,
    Decreasing,
}

/// Sorts `[a, b)`; after `limit` badly chosen pivots by heap sort.
fn quick<S: Sortable>(data: &mut S, mut a: usize, mut b: usize, mut limit: u32) -> Result<(), S::Error> {
    let (mut was_balanced, mut was_partitioned) = (true, true);
    loop {
        let len = b - a;
        if len <= INSERTION {
            return insertion(data, a, b);
        }
        if limit == 0 {
            return heap(data, a, b);
        }
        if !was_balanced {
            break_patterns(data, a, b);
            limit -= 1;
        }
        let (mut pivot, mut hint) = choose_pivot(data, a, b)?;
        if hint == Hint::Decreasing {
            reverse(data, a, b);
            pivot = (b - 1) - (pivot - a);
            hint = Hint::Increasing;
        }
        if was_balanced && was_partitioned && hint == Hint::Increasing && partial_insertion(data, a, b)? {
            return Ok(());
        }
        if a > 0 && !data.less(a - 1, pivot)? {
            a = partition_equal(data, a, b, pivot)?;
            continue;
        }
        let (mid, already) = partition(data, a, b, pivot)?;
        was_partitioned = already;
        let (left, right) = (mid - a, b - mid);
        if left < right {
            was_balanced = left >= len / 8;
            quick(data, a, mid, limit)?;
            a = mid + 1;
        } else {
            was_balanced = right >= len / 8;
            quick(data, mid + 1, b, limit)?;
            b = mid;
        }
    }
}

fn insertion<S: Sortable>(data: &mut S, a: usize, b: usize) -> Result<(), S::Error> {
    for i in a + 1..b {
        let mut j = i;
        while j > a && data.less(j, j - 1)? {
            data.swap(j, j - 1);
            j -= 1;
        }
    }
    Ok(())
}

fn heap<S: Sortable>(data: &mut S, a: usize, b: usize) -> Result<(), S::Error> {
    let len = b - a;
    for root in (0..=(len - 1) / 2).rev() {
        sift_down(data, root, len, a)?;
    }
    for end in (0..len).rev() {
        data.swap(a, a + end);
        sift_down(data, 0, end, a)?;
    }
    Ok(())
}

fn sift_down<S: Sortable>(data: &mut S, mut root: usize, end: usize, first: usize) -> Result<(), S::Error> {
    loop {
        let mut child = 2 * root + 1;
        if child >= end {
            return Ok(());
        }
        if child + 1 < end && data.less(first + child, first + child + 1)? {
            child += 1;
        }
        if !data.less(first + root, first + child)? {
            return Ok(());
        }
        data.swap(first + root, first + child);
        root = child;
    }
}

/// Puts what is less than the pivot before it; tells where the pivot went and whether nothing had to move.
fn partition<S: Sortable>(data: &mut S, a: usize, b: usize, pivot: usize) -> Result<(usize, bool), S::Error> {
    data.swap(a, pivot);
    let (mut i, mut j) = (a + 1, b - 1);
    let mut already = true;
    loop {
        while i <= j && data.less(i, a)? {
            i += 1;
        }
        while i <= j && !data.less(j, a)? {
            j -= 1;
        }
        if i > j {
            data.swap(j, a);
            return Ok((j, already));
        }
        already = false;
        data.swap(i, j);
        i += 1;
        j -= 1;
    }
}

/// Puts what equals the pivot first, where nothing is less than it; tells where the greater ones begin.
fn partition_equal<S: Sortable>(data: &mut S, a: usize, b: usize, pivot: usize) -> Result<usize, S::Error> {
    data.swap(a, pivot);
    let (mut i, mut j) = (a + 1, b - 1);
    loop {
        while i <= j && !data.less(a, i)? {
            i += 1;
        }
        while i <= j && data.less(a, j)? {
            j -= 1;
        }
        if i > j {
            return Ok(i);
        }
        data.swap(i, j);
        i += 1;
        j -= 1;
    }
}

/// Tries to finish a nearly sorted range with a few shifts; tells whether it did.
fn partial_insertion<S: Sortable>(data: &mut S, a: usize, b: usize) -> Result<bool, S::Error> {
    const MAX_STEPS: usize = 5;
    const SHORTEST_SHIFTING: usize = 50;

    let mut i = a + 1;
    for _ in 0..MAX_STEPS {
        while i < b && !data.less(i, i - 1)? {
            i += 1;
        }
        if i == b {
            return Ok(true);
        }
        if b - a < SHORTEST_SHIFTING {
            return Ok(false);
        }
        data.swap(i, i - 1);
        if i - a >= 2 {
            for j in (1..i).rev() {
                if !data.less(j, j - 1)? {
                    break;
                }
                data.swap(j, j - 1);
            }
        }
        if b - i >= 2 {
            for j in i + 1..b {
                if !data.less(j, j - 1)? {
                    break;
                }
                data.swap(j, j - 1);
            }
        }
    }
    Ok(false)
}

/// Scatters three elements; the random numbers are Go's, seeded with the length.
fn break_patterns<S: Sortable>(data: &mut S, a: usize, b: usize) {
    let len = b - a;
    if len < 8 {
        return;
    }
    let mut random = len as u64;
    let modulus = 1_usize << (usize::BITS - len.leading_zeros());
    let middle = a + (len / 4) * 2;
    for index in middle - 1..=middle + 1 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut other = random as usize & (modulus - 1);
        if other >= len {
            other -= len;
        }
        data.swap(index, a + other);
    }
}

fn choose_pivot<S: Sortable>(data: &mut S, a: usize, b: usize) -> Result<(usize, Hint), S::Error> {
    const SHORTEST_NINTHER: usize = 50;
    const MAX_SWAPS: u32 = 4 * 3;

    let len = b - a;
    let mut swaps = 0;
    let [mut i, mut j, mut k] = [1, 2, 3].map(|quarter| a + len / 4 * quarter);
    if len >= 8 {
        if len >= SHORTEST_NINTHER {
            i = median(data, [i - 1, i, i + 1], &mut swaps)?;
            j = median(data, [j - 1, j, j + 1], &mut swaps)?;
            k = median(data, [k - 1, k, k + 1], &mut swaps)?;
        }
        j = median(data, [i, j, k], &mut swaps)?;
    }
    Ok(match swaps {
        0 => (j, Hint::Increasing),
        MAX_SWAPS => (j, Hint::Decreasing),
        _ => (j, Hint::Unknown),
    })
}

fn median<S: Sortable>(
    data: &mut S,
    [mut a, mut b, mut c]: [usize; 3],
    swaps: &mut u32,
) -> Result<usize, S::Error> {
    let mut order = |x: &mut usize, y: &mut usize| {
        if data.less(*y, *x)? {
            *swaps += 1;
            std::mem::swap(x, y);
        }
        Ok(())
    };
    order(&mut a, &mut b)?;
    order(&mut b, &mut c)?;
    order(&mut a, &mut b)?;
    Ok(b)
}

fn reverse<S: Sortable>(data: &mut S, a: usize, b: usize) {
    let (mut i, mut j) = (a, b - 1);
    while i < j {
        data.swap(i, j);
        i += 1;
        j -= 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Numbers(Vec<i32>);

    impl Sortable for Numbers {
        type Error = std::convert::Infallible;
        fn len(&self) -> usize {
            self.0.len()
        }
        fn less(&mut self, i: usize, j: usize) -> Result<bool, Self::Error> {
            Ok(self.0[i] < self.0[j])
        }
        fn swap(&mut self, i: usize, j: usize) {
            self.0.swap(i, j);
        }
    }

    proptest! {
        #[test]
        fn sorts(numbers in proptest::collection::vec(-20..20_i32, 0..200)) {
            let mut expected = numbers.clone();
            expected.sort_unstable();
            let mut sorted = Numbers(numbers);
            sort(&mut sorted).unwrap();
            prop_assert_eq!(sorted.0, expected);
        }
    }
}
