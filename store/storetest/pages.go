package storetest

import (
	"fmt"

	"medtwin.ai/tollgate/store"
)

// Pages belong to the rule about missing records: every record is found, once.
func pageChecks() []check {
	return []check{
		{1, "List pages by descending id", pages},
		{1, "Owned pages the keys of one owner by descending id", ownedPages},
		{1, "Accounts.List pages by ascending id", accountPages},
	}
}

func pages(s *suite) {
	s.accounts(mine, theirs)
	var want []store.Key
	const total = 25
	for i := range total {
		n := i * 7 % total // created in no order
		s.keys(newKey(mine, n), newKey(theirs, n))
		want = append(want, newKey(mine, total-1-i))
	}
	for _, size := range []int{1, 7, 25, 26} {
		var got []store.Key
		after := ""
		for range total + 1 {
			page, err := s.KeyAdmin().List(s.Context(), mine, after, size)
			s.must("List", err)
			if len(page) > size {
				s.errorf("a page of %d, limit %d", len(page), size)
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].ID
		}
		s.same(fmt.Sprintf("pages of %d", size), got, want)
	}
	for _, size := range []int{0, -1} {
		page, err := s.KeyAdmin().List(s.Context(), mine, "", size)
		if err != nil || len(page) != 0 {
			s.errorf("List with limit %d: %d keys, error %v; want none", size, len(page), err)
		}
	}
	page, err := s.KeyAdmin().List(s.Context(), mine, newKey(mine, 3).ID+"x", 2)
	s.must("List after an id that does not exist", err)
	s.same("List after an id that does not exist", page, []store.Key{newKey(mine, 3), newKey(mine, 2)})
}

func ownedPages(s *suite) {
	s.accounts(mine, theirs)
	var want []store.Key
	const total = 24
	for i := range total {
		n := i * 7 % total // created in no order
		for _, account := range []string{mine, theirs} {
			k := newKey(account, n)
			k.Owner = []string{me, you, ""}[n%3]
			s.keys(k)
		}
		if n := total - 1 - i; n%3 == 0 {
			k := newKey(mine, n)
			k.Owner = me
			want = append(want, k)
		}
	}
	owned := func(owner, after string, limit int) []store.Key {
		page, err := s.KeyAdmin().Owned(s.Context(), mine, owner, after, limit)
		s.must("Owned", err)
		if len(page) > max(0, limit) {
			s.errorf("a page of %d, limit %d", len(page), limit)
		}
		return page
	}
	for _, size := range []int{1, 3, 8, 9} {
		var got []store.Key
		after := ""
		for range len(want) + 1 {
			page := owned(me, after, size)
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].ID
		}
		s.same(fmt.Sprintf("pages of %d", size), got, want)
	}
	for _, none := range []struct {
		owner, after string
		limit        int
	}{{"", "", 9}, {"user_nobody", "", 9}, {me, "", 0}, {me, "", -1}, {me, newKey(mine, 0).ID, 9}, {me + "\x00", "", 9}} {
		s.same(fmt.Sprintf("Owned by %q after %q, limit %d", none.owner, none.after, none.limit),
			owned(none.owner, none.after, none.limit), []store.Key(nil))
	}
}

func accountPages(s *suite) {
	var want []store.Account
	for _, i := range []int{3, 1, 4, 0, 2} {
		s.accounts(fmt.Sprintf("acct_%d", i))
	}
	for i := range 5 {
		want = append(want, newAccount(fmt.Sprintf("acct_%d", i)))
	}
	for _, size := range []int{1, 2, 5, 9} {
		var got []store.Account
		after := ""
		for range 6 {
			page, err := s.Accounts().List(s.Context(), after, size)
			s.must("Accounts.List", err)
			if len(page) > size {
				s.errorf("a page of %d, limit %d", len(page), size)
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].ID
		}
		s.same(fmt.Sprintf("pages of %d", size), got, want)
	}
	for _, size := range []int{0, -1} {
		page, err := s.Accounts().List(s.Context(), "", size)
		if err != nil || len(page) != 0 {
			s.errorf("Accounts.List with limit %d: %d accounts, error %v; want none", size, len(page), err)
		}
	}
	page, err := s.Accounts().List(s.Context(), "acct_1x", 1)
	s.must("Accounts.List after an id that does not exist", err)
	s.same("Accounts.List after an id that does not exist", page, want[2:3])
}
