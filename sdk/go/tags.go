package weir

import (
	"weir/internal/gen/imports/weir_filter_tags"
	types "weir/internal/wit/types"
)

// TagError says why a tag is not set or not read.
type TagError uint8

const (
	// TagInvalidName: a name is 1 to 64 of a-z, 0-9, - and _; another filter's has the filter's name and a dot before it.
	TagInvalidName = TagError(weir_filter_tags.TagError_InvalidName)
	// TagInvalidValue: more than 1024 bytes of text, or no finite number.
	TagInvalidValue = TagError(weir_filter_tags.TagError_InvalidValue)
	// TagTooMany: 16 of one filter, per exchange.
	TagTooMany = TagError(weir_filter_tags.TagError_TooMany)
	// TagForbidden: another filter's, and the publication does not let this one read it.
	TagForbidden = TagError(weir_filter_tags.TagError_Forbidden)
)

func (fault TagError) Error() string {
	switch fault {
	case TagInvalidName:
		return "that is no name of a tag"
	case TagInvalidValue:
		return "the text is too long or the number not finite"
	case TagTooMany:
		return "the filter has set all tags that it may"
	default:
		return "the publication does not let the filter read this tag"
	}
}

// TagText says something of the exchange, to other filters and to the record; what this filter said under the same name is replaced.
// Others know it as FILTER.NAME. An error is a [TagError]. Needs the grant tags.
func TagText(exchange Live, name, text string) error {
	return tagged(weir_filter_tags.Set(exchange.of(), name, weir_filter_tags.MakeTagValueText(text)))
}

// TagNumber is TagText with a number.
func TagNumber(exchange Live, name string, number float64) error {
	return tagged(weir_filter_tags.Set(exchange.of(), name, weir_filter_tags.MakeTagValueNumber(number)))
}

// TagFlag is TagText with yes or no.
func TagFlag(exchange Live, name string, flag bool) error {
	return tagged(weir_filter_tags.Set(exchange.of(), name, weir_filter_tags.MakeTagValueFlag(flag)))
}

func tagged(result types.Result[types.Unit, weir_filter_tags.TagError]) error {
	if result.IsErr() {
		fault := result.Err()
		return TagError(fault)
	}
	return nil
}

// Tag reads FILTER.NAME: of this filter, or of one that the publication lets it read. The value is a string, float64 or bool, nil if
// nobody has set it. An error is a [TagError].
func Tag(exchange Live, name string) (any, error) {
	result := weir_filter_tags.Get(exchange.of(), name)
	if result.IsErr() {
		fault := result.Err()
		return nil, TagError(fault)
	}
	found := result.Ok()
	if found.IsNone() {
		return nil, nil
	}
	value := found.Some()
	switch value.Tag() {
	case weir_filter_tags.TagValue_Text:
		return value.Text(), nil
	case weir_filter_tags.TagValue_Number:
		return value.Number(), nil
	default:
		return value.Flag(), nil
	}
}
