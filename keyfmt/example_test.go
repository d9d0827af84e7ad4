package keyfmt_test

import (
	"fmt"

	"medtwin.ai/tollgate/keyfmt"
)

// A token shows itself once, and is recognized by its hint ever after.
func Example() {
	live, err := keyfmt.New("mt_live_")
	if err != nil {
		panic(err)
	}
	token, err := live.Parse("mt_live_V9OgR7zVR23IUSI7uH8TgfR4NbMOI")
	fmt.Println(token, err)
	fmt.Println(token.Reveal())

	_, err = live.Parse("mt_live_V9OgR7zVR23IUSI7uH8TgfR4NbMOJ")
	fmt.Println(err)
	// Output:
	// mt_live_…bMOI <nil>
	// mt_live_V9OgR7zVR23IUSI7uH8TgfR4NbMOI
	// keyfmt: malformed token: checksum
}
