package docs

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"sync"
)

// embedded is Swagger UI, as hack/swagger-ui.sh fetches it, and what is our own.
//
//go:embed assets page
var embedded embed.FS

//go:embed page.html
var pageText string

// file is a content in both encodings, of which the one that is not there is made when it is first asked for.
type file struct {
	contentType, tag string
	plain, packed    func() []byte
}

func plainFile(contentType string, content []byte) *file {
	return &file{
		contentType: contentType, tag: tagOf(content),
		plain: func() []byte { return content },
		packed: sync.OnceValue(func() []byte {
			var packed bytes.Buffer
			writer := gzip.NewWriter(&packed)
			// A buffer takes everything.
			_, _ = writer.Write(content)
			_ = writer.Close()
			return packed.Bytes()
		}),
	}
}

func packedFile(contentType string, packed []byte) *file {
	return &file{
		contentType: contentType, tag: tagOf(packed),
		packed: func() []byte { return packed },
		plain: sync.OnceValue(func() []byte {
			reader, err := gzip.NewReader(bytes.NewReader(packed))
			if err == nil {
				var content []byte
				if content, err = io.ReadAll(reader); err == nil {
					return content
				}
			}
			// The file is part of the program, and a test reads each.
			panic(err)
		}),
	}
}
